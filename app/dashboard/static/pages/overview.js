// The overview: what was used in a period. What happens now stands in overview/live.js.

import "./overview/live.js";
import { momentOf, timeChart } from "../charts.js";
import { compact, count, counted, usd } from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { api, component, keepInAddress, queryOf, readAddress, telling } from "../relay.js";
import { stackOf, startText } from "../stacked.js";
import { cardsOf } from "./overview/cards.js";

const PERIODS = [1, 7, 30, 90];
/** What the charts are divided by, and by which filter the usage page knows it. */
const GROUPS = [
  { by: "provider", filter: "providers", title: "Providers", none: "no provider" },
  { by: "model", filter: "models", title: "Models", none: "no model" },
  { by: "user", filter: "users", title: "Users", none: "nobody" },
  { by: "tag", filter: "tags", title: "Tags", none: "no tag" },
];

component("overview", () => ({
  ...LOADING,
  days: 7,
  measure: "cost",
  isFresh: false,
  cards: cardsOf(null, null),
  points: [],
  interval: "day",
  stacks: Object.fromEntries(GROUPS.map((group) => [group.by, null])),
  alerts: { count: 0, kind: "", text: "" },
  providers: { kind: "", text: "" },
  charts: [],

  get isKnown() { return !this.isFresh && !this.loadFault; },

  startText(point) { return startText(point.start, this.interval); },

  async init() {
    const said = Number(readAddress().days?.[0]);
    if (PERIODS.includes(said)) this.days = said;
    this.lookForAlerts();
    await this.load();
  },

  destroy() { this.charts.forEach((remove) => remove()); },

  async choose(days) {
    this.days = days;
    keepInAddress({ days });
    await this.load();
  },

  async load() {
    const [query, interval] = [{ days: this.days }, this.days === 1 ? "hour" : "day"];
    const found = await loaded(this, () => Promise.all([
      api("usage/summary", { query }).then((summary) => this.lookWhetherFresh(summary)),
      api("overview", { query }),
      api("usage/timeseries", { query: { ...query, interval } }),
      ...GROUPS.map(({ by }) => api("usage/series", { query: { ...query, by, measure: this.measure, interval } })),
    ]));
    if (!found) {
      if (this.loadFault) this.cards = cardsOf(null, null);
      return;
    }
    const [{ totals }, overview, series, ...divisions] = found;
    this.cards = cardsOf(totals, overview);
    this.interval = interval;
    this.points = series.points;
    this.stacks = Object.fromEntries(GROUPS.map((group, number) => [group.by, this.stackOf(group, divisions[number])]));
    this.draw();
  },

  stackOf(group, series) {
    const hrefOf = (key) => `/admin/usage${queryOf({ days: this.days, [group.filter]: key })}`;
    return stackOf(series, group.title, { none: group.none, hrefOf });
  },

  /** Whether nothing was ever asked: then the page says how to begin. Gives what it was given. */
  async lookWhetherFresh(summary) {
    const ever = summary.totals.calls ? summary : await api("usage/summary", { query: { days: 3660 } });
    this.isFresh = ever.totals.calls === 0;
    if (!this.isFresh) return summary;
    const { providers } = await api("providers");
    const ready = providers.filter((each) => each.state === "ready" && each.source !== "built in").length;
    this.providers = ready ? { kind: "good", text: `${count(ready)} ready` } : { kind: "warning", text: "none yet" };
    return summary;
  },

  draw() {
    this.charts.forEach((remove) => remove());
    const times = this.points.map((point) => momentOf(point.start, this.interval));
    const series = (label, read, format) => ({ label, values: this.points.map(read), format });
    this.charts = [
      [this.$refs.calls, [series("Calls", (each) => each.calls, compact), series("Errors", (each) => each.errors, compact)]],
      [this.$refs.tokens, [series("In", (each) => each.prompt_tokens, compact), series("Out", (each) => each.completion_tokens, compact)]],
      [this.$refs.cost, [series("Cost", (each) => Number(each.cost ?? 0), usd)]],
    ].map(([element, lines]) => timeChart(element, times, lines, { height: 200 }));
  },

  async lookForAlerts() {
    const found = await telling(() => api("alerts/count"));
    if (!found?.count) return;
    const critical = found.critical ? `, ${count(found.critical)} critical` : "";
    this.alerts = { count: found.count, kind: found.critical ? "critical" : "warning", text: `${counted(found.count, "alert")} in the last day${critical}.` };
  },
}));
