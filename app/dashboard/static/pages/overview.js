// The overview: what was used in a period. What happens now stands in overview/live.js.

import "./overview/live.js";
import { timeChart } from "../charts.js";
import { compact, count, counted, usd } from "../format.js";
import { api, component, keepInAddress, readAddress, telling } from "../relay.js";
import { cardsOf } from "./overview/cards.js";
import { GROUPS, listOf } from "./overview/lists.js";

const PERIODS = [1, 7, 30, 90];

component("overview", () => ({
  loading: true,
  days: 7,
  measure: "cost",
  isFresh: false,
  cards: cardsOf(null, null),
  points: [],
  groups: [],
  alerts: { count: 0, kind: "", text: "" },
  providers: { kind: "", text: "" },
  charts: [],
  asked: 0,

  get lists() { return this.groups.map(([group, found]) => listOf(group, found, this.measure, this.days)); },

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
    this.loading = true;
    this.asked += 1;
    const [query, asked] = [{ days: this.days }, this.asked];
    const found = await telling(() => Promise.all([
      api("usage/summary", { query }),
      api("overview", { query }),
      api("usage/timeseries", { query: { ...query, interval: this.days === 1 ? "hour" : "day" } }),
      ...GROUPS.map((group) => api(`usage/by-${group.by}`, { query })),
    ]));
    if (asked !== this.asked) return; // another period was chosen meanwhile
    if (found) {
      const [summary, overview, series, ...divisions] = found;
      await this.lookWhetherFresh(summary.totals);
      this.cards = cardsOf(summary.totals, overview);
      this.points = series.points;
      this.groups = GROUPS.map((group, number) => [group, divisions[number].groups]);
      this.draw();
    }
    this.loading = false;
  },

  /** Whether nothing was ever asked: then the page says how to begin. */
  async lookWhetherFresh(totals) {
    const ever = totals.calls ? totals : (await telling(() => api("usage/summary", { query: { days: 3660 } })))?.totals;
    this.isFresh = ever?.calls === 0;
    if (!this.isFresh) return;
    const known = (await telling(() => api("providers")))?.providers ?? [];
    const ready = known.filter((each) => each.state === "ready" && each.source !== "built in").length;
    this.providers = ready ? { kind: "good", text: `${count(ready)} ready` } : { kind: "warning", text: "none yet" };
  },

  draw() {
    this.charts.forEach((remove) => remove());
    const times = this.points.map((point) => point.start);
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
