import { LOADING, loaded } from "../inplace.js";
import { api, component, confirm, keepInAddress, part, readAddress, telling, toast } from "../relay.js";
import { detail } from "./monitors/detail.js";
import { form } from "./monitors/form.js";
import { kindOf, resultOf, short, whyOf } from "./monitors/words.js";

const list = () => ({
  ...LOADING,
  reconciling: false,
  monitors: [],
  users: [],
  missing: [],
  lately: [],
  isSilent: false,
  outcome: { kind: "", lines: [] },
  next: null,
  q: "",
  username: "",
  status: "",
  kindOf,
  resultOf,
  short,
  whyOf,

  get isFiltered() { return Boolean(this.q || this.username || this.status); },
  get isEmpty() { return !this.loading && !this.loadFault && this.monitors.length === 0; },
  get hasMore() { return this.next !== null && !this.loadFault; },

  async init() {
    const said = readAddress();
    for (const name of ["q", "username", "status"]) this[name] = said[name]?.[0] ?? "";
    const setup = telling(() => api("monitors/setup")).then((found) => { this.missing = found?.missing ?? []; });
    const users = telling(() => api("users")).then((found) => { this.users = (found?.users ?? []).map((each) => each.username); });
    await Promise.all([setup, users, this.load(), said.monitor ? this.open(said.monitor[0]) : null]);
  },

  keep() {
    keepInAddress({ q: this.q, username: this.username, status: this.status, monitor: this.shown.id });
  },

  async load() {
    this.keep();
    this.monitors = [];
    this.next = null;
    await this.more();
  },

  async more() {
    const { q, username, status, next: cursor } = this;
    const page = await loaded(this, () => api("monitors", { query: { q, username, status, cursor } }));
    if (!page) return;
    this.monitors = this.monitors.concat(page.monitors);
    this.next = page.next_cursor;
  },

  /** What Parallel told of all monitors, as often as it is opened. */
  async showLately(event) {
    if (!event.target.open) return;
    const found = await telling(() => api("monitors/webhooks"));
    event.target.open = found !== undefined;
    this.lately = found?.webhooks ?? [];
    this.isSilent = found?.webhooks.length === 0;
  },

  /** Show what became of one, in the list and where it is open. */
  changed(monitor) {
    if (!monitor) return;
    this.monitors = this.monitors.map((each) => (each.id === monitor.id ? monitor : each));
    if (this.shown.id === monitor.id) this.shown = monitor;
  },

  async trigger(monitor) {
    const found = await telling(() => api(`monitors/${part(monitor.id)}/trigger`, { method: "POST" }));
    if (found) toast("It runs now; what it finds comes within minutes.");
    this.changed(found);
  },

  async cancel(monitor) {
    const sure = await confirm("Cancel this monitor?", `“${short(monitor.query)}” of ${short(monitor.username)} runs no more. What it found stays.`, "Cancel monitor");
    if (!sure) return;
    const found = await telling(() => api(`monitors/${part(monitor.id)}`, { method: "DELETE" }));
    if (found?.status === "cancelling") toast("Parallel has not agreed yet, and is asked again.", "");
    else if (found) toast("The monitor has ended.");
    this.changed(found);
  },

  async reconcile() {
    this.reconciling = true;
    const done = await telling(() => api("monitors/reconcile", { method: "POST" }));
    this.reconciling = false;
    if (!done) return;
    this.outcome = outcomeOf(done);
    await this.load();
  },
});

function outcomeOf(done) {
  const failed = Object.entries(done.failed).map(([id, why]) => `${id}: cannot be reconciled now: ${why}`);
  const lines = [
    ...done.closed.map((id) => `${id}: not active at Parallel any more, closed here`),
    ...done.cancelled.map((id) => `${id}: active at Parallel but not here, cancelled there`),
    ...done.given_up.map((id) => `${id}: never came to be`),
    ...failed,
  ];
  if (!lines.length) return { kind: "good", lines: ["Both sides agree."] };
  return { kind: failed.length ? "warning" : "good", lines };
}

component("monitors", () => {
  const parts = [list(), detail(), form()];
  return Object.defineProperties({}, Object.assign({}, ...parts.map(Object.getOwnPropertyDescriptors)));
});
