import { changesOf } from "../changes.js";
import { LOADING, loaded } from "../inplace.js";
import { api, component, keepInAddress, readAddress, telling } from "../relay.js";

component("audit", () => ({
  ...LOADING,
  entries: [],
  next: null,
  actor: "",
  action: "",
  actors: [],
  actions: [],
  verdict: { kind: "", text: "" },

  get isFiltered() { return Boolean(this.actor || this.action); },
  get isEmpty() { return !this.loading && !this.loadFault && this.entries.length === 0; },
  get hasMore() { return this.next !== null && !this.loadFault; },

  async init() {
    const said = readAddress();
    this.actor = said.actor?.[0] ?? "";
    this.action = said.action?.[0] ?? "";
    const filters = telling(() => api("audit/filters")).then((found) => Object.assign(this, found));
    await Promise.all([filters, this.load()]);
  },

  async load() {
    keepInAddress({ actor: this.actor, action: this.action });
    this.entries = [];
    this.next = null;
    await this.more();
  },

  async more() {
    const query = { before: this.next, actor: this.actor, action: this.action };
    const page = await loaded(this, () => api("audit", { query }));
    if (!page) return;
    this.entries = this.entries.concat(page.entries);
    this.next = page.next;
  },

  clear() {
    this.actor = this.action = "";
    return this.load();
  },

  async verify() {
    const found = await telling(() => api("audit/verify"));
    if (!found) return;
    this.verdict = found.fault
      ? { kind: "critical", text: found.fault }
      : { kind: "good", text: `All ${found.entries} entries are as they were written.` };
  },

  changes(entry) { return changesOf(entry.before, entry.after); },
}));
