// The filters that the pages of usage and of requests share: a period in UTC days, and what calls have in common.

import { api, telling } from "./relay.js";

const KINDS = [
  ["tags", "Tags"], ["providers", "Providers"], ["models", "Models"], ["names", "Names"], ["tokens", "Tokens"], ["users", "Users"],
  ["clients", "Clients"], ["surfaces", "Surfaces"], ["aliases", "Aliases"], ["routers", "Routers"], ["caches", "Caches"],
];
const MOST_SHOWN = 200;

/** What is chosen. A page calls `load` when it begins and after each `onChange`, and asks with `query`. */
export class Filters {
  constructor(address) {
    this.days = address.days?.[0] ?? (address.start || address.end ? "" : "30");
    this.start = address.start?.[0] ?? "";
    this.end = address.end?.[0] ?? "";
    this.kinds = KINDS.map(([key, label]) => ({ key, label, chosen: (address[key] ?? []).map((value) => value.replaceAll("\\,", ",")), values: [], search: "" }));
    this.loadedFor = null;
    this.onChange = () => {};
  }

  /** As parameters of the API and of the address: commas of values are marked, as the API takes others for ends of values. */
  get query() {
    return { ...this.period, ...Object.fromEntries(this.kinds.map((kind) => [kind.key, kind.chosen.map((value) => value.replaceAll(",", "\\,"))])) };
  }

  get period() {
    return this.days ? { days: this.days } : { start: this.start, end: this.end };
  }

  get hasDates() { return this.days === ""; }

  /** Those that there is anything to choose from. */
  get offered() { return this.kinds.filter((kind) => kind.values.length || kind.chosen.length); }

  get chosen() {
    return this.kinds.flatMap((kind) => kind.chosen.map((value) => ({ kind, value, id: `${kind.key} ${value}`, label: `${kind.label}: ${value}` })));
  }

  /** How many whole days are meant; null while a date is missing. */
  get length() {
    if (this.days) return Number(this.days);
    return this.start && this.end ? (new Date(this.end) - new Date(this.start)) / 86_400_000 + 1 : null;
  }

  /** Read what there is to choose from in the period, unless that is known. */
  async load() {
    const wanted = JSON.stringify(this.period);
    if (wanted === this.loadedFor) return;
    const values = await telling(() => api("usage/filters", { query: this.period }));
    if (!values) return;
    this.loadedFor = wanted;
    for (const kind of this.kinds) kind.values = values[kind.key];
  }

  setPeriod() {
    if (this.hasDates && !this.start) {
      const today = new Date().toISOString().slice(0, 10);
      this.start = today;
      this.end = today;
    }
    this.onChange();
  }

  title(kind) { return kind.chosen.length ? `${kind.label} (${kind.chosen.length})` : kind.label; }

  /** What a list shows: the chosen first, then what has the searched text in it. */
  shown(kind) {
    const text = kind.search.toLowerCase();
    const rest = kind.values.filter((value) => !kind.chosen.includes(value) && value.toLowerCase().includes(text));
    return [...kind.chosen, ...rest].slice(0, MOST_SHOWN);
  }

  left(kind) {
    const text = kind.search.toLowerCase();
    const count = kind.values.filter((value) => value.toLowerCase().includes(text)).length - MOST_SHOWN;
    return count > 0 ? `${count} more: search for them.` : "";
  }

  close(element) { element.open = false; }

  has(kind, value) { return kind.chosen.includes(value); }

  toggle(kind, value) {
    kind.chosen = kind.chosen.includes(value) ? kind.chosen.filter((each) => each !== value) : [...kind.chosen, value];
    this.onChange();
  }

  /** Leave only one value of a kind, such as of the row of a table. */
  only(key, value) {
    this.kinds.find((kind) => kind.key === key).chosen = [value];
    this.onChange();
  }

  clear() {
    for (const kind of this.kinds) kind.chosen = [];
    this.onChange();
  }
}
