// The lists of the overview: who and what used most, each with a link to the usage of it alone.

import { compact, counted, usd } from "../../format.js";
import { queryOf } from "../../relay.js";

const MOST = 6;

/** What reports are divided by, and by which filter the usage page knows it. */
export const GROUPS = [
  { by: "provider", filter: "providers", title: "Providers", none: "no provider" },
  { by: "model", filter: "models", title: "Models", none: "no model" },
  { by: "user", filter: "users", title: "Users", none: "nobody" },
  { by: "tag", filter: "tags", title: "Tags", none: "no tag" },
];

const MEASURES = {
  cost: { read: (each) => Number(each.cost ?? 0), write: (each) => usd(each.cost) },
  calls: { read: (each) => each.calls, write: (each) => counted(each.calls, "call") },
  tokens: { read: (each) => each.total_tokens, write: (each) => `${compact(each.total_tokens)} tokens` },
};

/** The first of a group by a measure, as the page shows them. */
export function listOf(group, found, measure, days) {
  const { read, write } = MEASURES[measure];
  const sorted = [...found].sort((one, other) => read(other) - read(one) || other.calls - one.calls);
  const most = read(sorted[0] ?? {}) || 1;
  return {
    title: group.title,
    rows: sorted.slice(0, MOST).map((each) => ({
      key: each.key,
      label: each.key || group.none,
      href: each.key ? `/admin/usage${queryOf({ days, [group.filter]: each.key })}` : null, // what has none cannot be filtered by
      amount: write(each),
      bar: { width: `${Math.max(1, (100 * read(each)) / most)}%` },
    })),
    rest: sorted.length > MOST ? `and ${sorted.length - MOST} more` : "",
  };
}
