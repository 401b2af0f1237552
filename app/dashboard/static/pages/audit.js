import { changesOf } from "../changes.js";
import { api, component, keepInAddress, readAddress, telling } from "../relay.js";

component("audit", () => ({
  loading: true,
  entries: [],
  next: null,
  actor: "",
  action: "",
  verdict: { kind: "", text: "" },

  get isEmpty() { return !this.loading && this.entries.length === 0; },

  async init() {
    const said = readAddress();
    this.actor = said.actor?.[0] ?? "";
    this.action = said.action?.[0] ?? "";
    await this.load();
  },

  async load() {
    keepInAddress({ actor: this.actor, action: this.action });
    this.entries = [];
    this.next = null;
    await this.more();
  },

  async more() {
    this.loading = true;
    const page = await telling(() => api("audit", { query: { before: this.next, actor: this.actor, action: this.action } }));
    this.entries = this.entries.concat(page?.entries ?? []);
    this.next = page?.next ?? null;
    this.loading = false;
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
