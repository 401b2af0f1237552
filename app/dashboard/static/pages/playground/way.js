// The way of a call, as rows: each name that it comes by, and what stands there.

import { usd } from "../../format.js";

/** Of an explanation of the API; deeper names are marked by arrows. */
export function rowsOf(way, depth = 0) {
  const row = {
    id: "",
    name: `${"→ ".repeat(depth)}${way.name}`,
    kind: way.kind ?? (way.targets.length ? "model" : ""),
    words: [
      ...way.notes,
      ...way.candidates.map((each) => (each.reason ? `${each.model}: ${each.reason}` : each.model)),
      ...way.asks.map((model) => `asks ${model}`),
      ...way.targets.map((each) => `${each.provider}/${each.model}${priceOf(each.price)}`),
    ],
    error: way.error ?? "",
  };
  const rows = [row, ...way.leads_to.flatMap((each) => rowsOf(each, depth + 1))];
  return depth ? rows : rows.map((each, number) => ({ ...each, id: number }));
}

function priceOf({ input, output }) {
  return input && output ? ` (${usd(input)} in, ${usd(output)} out a million tokens)` : "";
}
