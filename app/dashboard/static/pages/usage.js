import { api, component, keepInAddress, queryOf, readAddress } from "../relay.js";
import { momentOf, timeChart } from "../charts.js";
import { Filters } from "../filters.js";
import * as format from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { SORTING } from "../sorting.js";
import { stackOf, startText } from "../stacked.js";
import { classesOf } from "./usage/classes.js";

const GROUPS = [
  ["provider", "Provider", "providers"], ["model", "Model", "models"], ["name", "Name", "names"], ["user", "User", "users"],
  ["token", "Token", "tokens"], ["tag", "Tag", "tags"], ["client", "Client", "clients"], ["surface", "Surface", "surfaces"],
  ["alias", "Alias", "aliases"], ["router", "Router", "routers"], ["cache", "Cache", "caches"],
].map(([key, label, filter]) => ({ key, label, filter }));

const SERIES = {
  calls: [["Calls", (point) => point.calls, format.compact], ["Errors", (point) => point.errors, format.compact]],
  tokens: [["Prompt tokens", (point) => point.prompt_tokens, format.compact], ["Completion tokens", (point) => point.completion_tokens, format.compact]],
  cost: [["Cost", (point) => (point.cost === null ? null : Number(point.cost)), format.usd]],
};
const SORTED_BY = {
  key: (group) => group.key.toLowerCase(),
  calls: (group) => group.calls,
  errors: (group) => group.errors,
  prompt_tokens: (group) => group.prompt_tokens,
  completion_tokens: (group) => group.completion_tokens,
  cost: (group) => Number(group.cost ?? -1),
  average_first_byte_ms: (group) => group.average_first_byte_ms ?? -1,
};
const HOURLY_DAYS = 31;
const DIVIDED_HOURLY_DAYS = 14;
const FIRST_SHOWN = 100;

component("usage", () => ({
  ...LOADING,
  ...SORTING,
  filters: null,
  groups: GROUPS,
  by: "model",
  measure: "cost",
  interval: "day",
  sort: "cost",
  order: "desc",
  rows: [],
  totals: null,
  points: [],
  stack: null,
  tableOpen: false,
  showsAll: false,
  dropChart: null,

  async init() {
    const said = readAddress();
    this.filters = new Filters(said);
    this.filters.onChange = () => this.load();
    this.by = GROUPS.some((each) => each.key === said.by?.[0]) ? said.by[0] : "model";
    this.measure = said.measure?.[0] in SERIES ? said.measure[0] : "cost";
    this.interval = said.interval?.[0] === "hour" ? "hour" : "day";
    this.sort = said.sort?.[0] in SORTED_BY ? said.sort[0] : "cost";
    this.order = said.order?.[0] === "asc" ? "asc" : "desc";
    await this.load();
  },

  get isEmpty() { return !this.loading && !this.loadFault && this.totals !== null && this.totals.calls + this.totals.helper_calls === 0; },
  get hasAny() { return !this.loadFault && this.totals !== null && this.totals.calls + this.totals.helper_calls > 0; },
  get mayBeHourly() { return this.filters !== null && this.filters.length !== null && this.filters.length <= HOURLY_DAYS; },
  get exportLink() { return this.filters === null ? "" : `/admin/api/usage/export${queryOf(this.filters.query)}`; },
  get requestsLink() { return this.filters === null ? "" : `/admin/requests${queryOf(this.filters.query)}`; },
  get classes() { return this.totals === null ? [] : classesOf(this.totals.usage); },
  get group() { return GROUPS.find((each) => each.key === this.by); },

  get helperNote() { return this.totals.helper_calls ? `and ${format.counted(this.totals.helper_calls, "call")} made for them` : "of clients"; },
  get tokenNote() { return `${format.compact(this.totals.prompt_tokens)} prompt, ${format.compact(this.totals.completion_tokens)} completion`; },
  get costNote() { return this.totals.unpriced ? `without ${format.counted(this.totals.unpriced, "unpriced call")}` : "of all calls"; },
  get errorNote() { return `${format.percent(this.totals.calls ? this.totals.errors / this.totals.calls : 0)} of calls`; },
  get hitNote() { return `${format.percent(this.totals.calls ? this.totals.cache_hits / this.totals.calls : 0)} of calls were answered by caches`; },
  get durationNote() { return `on average; ${format.duration(this.totals.average_ms)} in all`; },
  get shareTitle() { return { calls: "Share of calls", tokens: "Share of tokens", cost: "Share of cost" }[this.measure]; },
  get moreText() { return `Show ${format.count(this.left)} more`; },
  classText(each) { return `${format.count(each.count)} ${each.unit}${each.share === null ? "" : `, ${format.percent(each.share)} of all tokens`}`; },
  unpricedNote(row) { return `${format.count(row.unpriced)} unpriced`; },
  tabId(key) { return `by-${key}`; },
  pressedClass(measure) { return this.measure === measure ? "" : "outline"; },
  showAll() { this.showsAll = true; },

  /** The address tells all, so that it can be kept as a link. */
  keep() {
    keepInAddress({ ...this.filters.query, by: this.by, measure: this.measure, interval: this.interval, sort: this.sort, order: this.order });
  },

  async load() {
    if (!this.mayBeHourly) this.interval = "day";
    this.keep();
    const [query, interval] = [this.filters.query, this.interval];
    const divided = this.filters.length <= DIVIDED_HOURLY_DAYS ? interval : "day";
    const found = await loaded(this, () => Promise.all([
      api(`usage/by-${this.by}`, { query }), api("usage/timeseries", { query: { ...query, interval } }),
      api("usage/series", { query: { ...query, interval: divided, by: this.by, measure: this.measure } }), this.filters.load(),
    ]));
    if (!found) return;
    this.rows = found[0].groups;
    this.totals = found[0].totals;
    this.points = found[1].points;
    this.stack = stackOf(found[2], this.group.label);
    this.$nextTick(() => this.draw());
  },

  draw() {
    this.dropChart?.();
    this.dropChart = null;
    if (!this.hasAny || !this.$refs.chart) return;
    const series = SERIES[this.measure].map(([label, read, write]) => ({ label, values: this.points.map(read), format: write }));
    this.dropChart = timeChart(this.$refs.chart, this.points.map((point) => momentOf(point.start, this.interval)), series);
  },

  written(point) { return startText(point.start, this.interval); },

  setMeasure(measure) { this.measure = measure; this.load(); },
  isMeasure(measure) { return this.measure === measure; },
  toggleTable(event) { this.tableOpen = event.target.open; },

  isBy(key) { return this.by === key; },
  choose(key) { this.by = key; this.showsAll = false; this.load(); },

  get sorted() {
    const read = SORTED_BY[this.sort];
    const sign = this.order === "asc" ? 1 : -1;
    const rows = [...this.rows].sort((one, other) => (read(one) < read(other) ? -sign : read(one) > read(other) ? sign : 0));
    return this.showsAll ? rows : rows.slice(0, FIRST_SHOWN);
  },
  get left() { return this.showsAll ? 0 : Math.max(0, this.rows.length - FIRST_SHOWN); },

  resorted() { this.keep(); },

  noteOf(row) { return row.username || row.hostname || ""; },
  narrow(row) { if (row.key) this.filters.only(this.group.filter, row.key); },

  /** Of what the chart shows. */
  share(row) {
    const read = { calls: (each) => each.calls, tokens: (each) => each.total_tokens, cost: (each) => Number(each.cost ?? 0) }[this.measure];
    const whole = read(this.totals);
    return whole > 0 ? read(row) / whole : 0;
  },
  shareStyle(row) { return { width: `${Math.min(100, 100 * this.share(row))}%` }; },

  destroy() { this.dropChart?.(); },
}));
