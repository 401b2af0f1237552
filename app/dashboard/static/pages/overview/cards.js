// The cards of the overview: what all calls of a period used together.

import { NONE, compact, count, counted, duration, percent, usd } from "../../format.js";

/** Texts by the names that the page has for them; dashes before anything is known. */
export function cardsOf(totals, overview) {
  if (!totals) return Object.fromEntries(["calls", "tokens", "cost", "errors", "cached", "firstByte"].flatMap((name) => [[name, NONE], [`${name}Note`, ""]]));
  const { first_bytes: waits, cache_savings: saved } = overview;
  const share = (part) => (totals.calls ? percent(part / totals.calls) : "");
  return {
    calls: compact(totals.calls),
    callsNote: totals.helper_calls ? `and ${count(totals.helper_calls)} made for them` : "",
    tokens: compact(totals.total_tokens),
    tokensNote: `${compact(totals.prompt_tokens)} in, ${compact(totals.completion_tokens)} out`,
    cost: usd(totals.cost),
    costNote: totals.unpriced ? `without ${counted(totals.unpriced, "call")} of unknown price` : "",
    errors: compact(totals.errors),
    errorsNote: totals.calls ? `${share(totals.errors)} of calls` : "",
    cached: compact(totals.cache_hits),
    cachedNote: cachedNote(share(totals.cache_hits), saved),
    firstByte: waits.calls ? [waits.p50_ms, waits.p95_ms].map(unbroken).join(" · ") : NONE,
    firstByteNote: waits.calls ? `of ${counted(waits.calls, "call")}, to 5 %` : "",
  };
}

/** A duration whose number and unit stay on one line. */
function unbroken(ms) {
  return duration(ms).replace(" ", "\u00a0");
}

/** What caches answered, and what that saved in the period. */
function cachedNote(share, saved) {
  if (!saved.caches && !saved.requests) return "No cache is defined.";
  const saving = `saved ${compact(saved.tokens)} tokens, ${usd(saved.cost)}`;
  return share ? `${share} of calls; ${saving}` : saving;
}
