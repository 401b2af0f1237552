// A stacked chart over time of the groups with the most, with a legend that tells the bar under the cursor, and the same as a table.
// The page puts it where it says so (templates/stacked.html), and gives it `stackOf(…)`.

import { momentOf, stackedChart } from "./charts.js";
import { NONE, compact, count, counted, time, usd } from "./format.js";
import { component } from "./relay.js";

const MEASURES = {
  cost: { read: (value) => Number(value ?? 0), write: usd, tell: usd, axis: usd, none: "No cost in this period." },
  calls: { read: Number, write: count, tell: (value) => counted(value, "call"), axis: compact, none: "No calls in this period." },
  tokens: { read: Number, write: count, tell: (value) => `${compact(value)} tokens`, axis: compact, none: "No tokens in this period." },
};

/**
 * What the chart shows of an answer of `usage/series`: `title` says of what it is, `none` is the name of the group whose calls have
 * nothing of the kind, `hrefOf` gives the link of a key.
 */
export function stackOf(series, title, { none = "(none)", hrefOf = () => null } = {}) {
  const measure = MEASURES[series.measure];
  const layer = (line, number, label, href) => ({
    id: `stack-${number}`, label, href,
    texts: line.values.map(measure.write),
    told: line.values.map(measure.tell),
    values: line.values.map(measure.read),
    whole: measure.tell(line.sum),
  });
  const layers = series.groups.map((each, place) => layer(each, place + 1, each.key || none, each.key ? hrefOf(each.key) : null));
  if (series.others) layers.push(layer(series.others, 6, counted(series.others.count, "other"), null));
  return {
    title, layers,
    alt: `${title} over time, as a stack of bars. The numbers stand below.`,
    axis: measure.axis,
    moments: series.starts.map((start) => momentOf(start, series.interval)),
    times: series.starts.map((start) => startText(start, series.interval)),
    empty: emptyOf(layers, measure),
  };
}

/** Why there is nothing to draw; empty where there is. */
function emptyOf(layers, measure) {
  if (layers.some((each) => each.values.some((value) => value > 0))) return "";
  return layers.some((each) => each.whole === NONE) ? "No price of these calls is known." : measure.none;
}

/** When a point of a series begins: days are those of UTC. */
export function startText(start, interval) {
  return interval === "hour" ? time(start) : start.slice(0, 10);
}

component("stacked", () => ({
  shown: null,
  at: null,
  tableOpen: false,
  drop: null,

  get empty() { return this.shown === null ? "" : this.shown.empty; },
  get alt() { return this.shown === null ? "" : this.shown.alt; },
  get title() { return this.shown === null ? "" : `${this.shown.title} over time`; },
  get layers() { return this.shown === null ? [] : this.shown.layers; },
  get moment() { return this.at === null || this.shown === null ? "The whole period" : this.shown.times[this.at]; },
  get rows() {
    return this.shown === null ? [] : this.shown.times.map((text, place) => ( // an hour comes twice where summer time ends
      { id: place, text, cells: this.layers.map((each) => ({ id: each.id, text: each.texts[place] })) }
    ));
  },

  amount(layer) { return this.at === null ? layer.whole : layer.told[this.at]; },
  toggleTable(event) { this.tableOpen = event.target.open; },

  /** Show what `stackOf` made; null while there is nothing. */
  show(stack) {
    this.shown = stack;
    this.at = null;
    this.$nextTick(() => this.draw());
  },

  draw() {
    this.drop?.();
    this.drop = null;
    if (this.shown === null || this.empty) return;
    const { moments, axis } = this.shown;
    const layers = this.layers.map((each) => ({ values: each.values, colour: `--${each.id}` }));
    this.drop = stackedChart(this.$refs.chart, moments, layers, { format: axis, onPoint: (at) => { this.at = at; } });
  },

  destroy() { this.drop?.(); },
}));
