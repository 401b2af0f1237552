// The limits of tokens and users: what they are called, how much of one is used, and how they stand in a form.

import * as format from "../../format.js";

const BUDGETS = ["budget_per_day", "budget_per_month"];
const TITLES = {
  rate_limit: "Calls a day",
  requests_per_minute: "Calls a minute",
  tokens_per_minute: "Tokens a minute",
  tokens_per_day: "Tokens a day",
  budget_per_day: "Budget a day",
  budget_per_month: "Budget a month",
  max_concurrent: "Calls at the same time",
};

/** All beside calls a day, by the API's names. */
const LIMITS = Object.keys(TITLES).slice(1);

const written = (name, value) => (BUDGETS.includes(name) ? format.usd(value) : format.count(value));

/** How a limit stands: `standing` is as the API has it. */
export function bar(standing) {
  const [used, reserved, most] = [standing.used, standing.reserved ?? 0, standing.most].map(Number);
  const share = most > 0 ? (used + reserved) / most : 1;
  return {
    key: `${standing.of} ${standing.limit}`,
    title: TITLES[standing.limit] + (standing.of === "user" ? ", all tokens of the user" : ""),
    text: `${written(standing.limit, standing.used)} of ${written(standing.limit, standing.most)}`,
    reserved: reserved > 0 ? `and ${written(standing.limit, standing.reserved)} reserved for calls under way` : "",
    anew: standing.starts_anew ? `starts anew ${format.since(standing.starts_anew)}` : "",
    percent: Math.min(100, Math.round(100 * share)),
    kind: share >= 1 ? "critical" : share >= 0.8 ? "warning" : "",
    width: { width: `${Math.min(100, 100 * share)}%` },
  };
}

/** The calls of today, which each token has a limit for. */
export function barOfToday(token) {
  return bar({ of: "token", limit: "rate_limit", used: token.used_today, most: token.rate_limit });
}

/** "Calls a minute 60, Budget a day $2.00" */
export function inWords(limits) {
  const set = LIMITS.filter((name) => limits[name] !== null);
  return set.map((name) => `${TITLES[name]} ${written(name, limits[name])}`).join(", ") || format.NONE;
}

/** As the fields of a form have them: empty for no limit. */
export function toFields(limits) {
  return Object.fromEntries(LIMITS.map((name) => [name, limits?.[name] ?? ""]));
}

/** As the API takes them. Budgets stay texts, so that no digit is lost. */
export function fromFields(fields) {
  return Object.fromEntries(LIMITS.map((name) => {
    const text = String(fields[name] ?? "").trim();
    return [name, text === "" ? null : BUDGETS.includes(name) ? text : Number(text)];
  }));
}
