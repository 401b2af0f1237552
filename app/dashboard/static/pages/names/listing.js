// What the list says of a smart model: its columns by kinds.

import { compact, count, percent, usd } from "../../format.js";

const NUMBER = "number";
const OWN = {
  alias: [],
  redirect: [],
  router: [
    ["Strategy", "", ({ model }) => model.strategy.replace("_", " ")],
    ["Candidates", NUMBER, ({ model }) => count(model.candidates.length)],
  ],
  cache: [
    ["Embedder", "", ({ model }) => model.embedder ?? "exact hits alone"],
    ["Threshold", NUMBER, ({ model }) => (model.max_error === null ? model.similarity_threshold : `${model.max_error} % wrong`)],
    ["Hit rate", NUMBER, ({ stats }) => share(stats.hit_rate)],
    ["Saved tokens", NUMBER, ({ stats }) => compact(stats.tokens_saved)],
    ["Saved cost", NUMBER, ({ stats }) => usd(stats.cost_saved)],
  ],
  augmentor: [
    ["Mode", "", ({ model }) => model.mode],
    ["Searches in", "", ({ model }) => model.search_provider],
    ["Augmented", NUMBER, ({ stats }) => share(stats.augmentation_rate)],
    ["Searches", NUMBER, ({ stats }) => count(stats.search_requests)],
    ["Pages", NUMBER, ({ stats }) => count(stats.scrape_requests)],
  ],
};
const USED = [
  ["Calls, 30 days", NUMBER, ({ used }) => count(used?.calls ?? 0)],
  ["Cost, 30 days", NUMBER, ({ used }) => usd(used ? used.cost : 0)],
];

const all = (kind) => [...OWN[kind], ...USED];
const share = (hundredths) => percent(hundredths === null ? null : hundredths / 100);

/** By what the usage report is divided to tell of a kind's calls. */
export function usageBy(kind) {
  return { alias: "alias", redirect: "alias", router: "router", cache: "cache", augmentor: "name" }[kind];
}

/** Titles of the columns after the name and the state. */
export function columnsOf(kind) {
  return all(kind).map(([title, style]) => ({ title, style }));
}

/** A line of the list; `used` is what the usage report says of it, if anything. */
export function rowOf(kind, model, used) {
  const { id, created_at, updated_at, stats, ...definition } = model;
  const targets = targetsOf(model);
  const about = { model, stats, used };
  return {
    id,
    model,
    definition,
    name: model.name,
    targets: targets.join(", "),
    state: model.enabled ? "enabled" : "disabled",
    style: model.enabled ? "good" : "warning",
    other: model.enabled ? "Disable" : "Enable",
    cells: all(kind).map(([title, style, text]) => ({ title, style, text: text(about) })),
    searched: [model.name, model.description ?? "", ...targets, ...model.tags, ...model.owner_tags].join("\n").toLowerCase(),
  };
}

function targetsOf(model) {
  const candidates = (model.candidates ?? []).map((candidate) => candidate.model);
  return [...new Set([...candidates, model.target, model.target_model, model.fallback_model].filter(Boolean))];
}
