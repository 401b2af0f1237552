// One monitor in a dialog: what is known of it, and what can be done again.

import { inPlace } from "../../inplace.js";
import { api, closeDialog, part, role, showDialog, telling, toast } from "../../relay.js";
import { short } from "./words.js";

export const detail = () => ({
  shown: {},
  tab: "events",
  groups: [],
  webhooks: [],
  deliveries: [],
  reading: { busy: false, fault: "" },

  get canEnd() { return role === "admin" && this.shown.status === "active"; },

  get tabs() {
    return [["events", "Found", this.groups], ["webhooks", "Webhooks", this.webhooks], ["deliveries", "Passed on", this.deliveries]]
      .map(([key, title, rows]) => ({ key, title, count: rows.length, tabId: this.tabIdOf(key) }));
  },

  get title() { return `Monitor of ${short(this.shown.username)}`; },

  wordOf(state) { return state.replace("_", " "); },

  attemptOf(attempt) { return attempt.error || `status ${attempt.status}`; },

  pick(key) { this.tab = key; },

  tabIdOf(key) { return `monitor-tab-${key}`; },

  async open(id) {
    this.shown = { id };
    this.tab = "events";
    [this.groups, this.webhooks, this.deliveries] = [[], [], []];
    const monitor = await telling(() => api(`monitors/${part(id)}`));
    if (!monitor) { this.closed(); return; }
    this.shown = monitor;
    await this.read();
    showDialog("monitor");
    this.keep();
  },

  async read() {
    const of = (what) => api(`monitors/${part(this.shown.id)}/${what}`, { query: { limit: 50 } });
    const found = await inPlace(this.reading, "busy", () => Promise.all(["events", "webhooks", "deliveries"].map(of)));
    if (!found) return;
    const [events, webhooks, deliveries] = found;
    this.groups = events.event_groups;
    this.webhooks = webhooks.webhooks;
    this.deliveries = deliveries.deliveries;
  },

  close() { closeDialog("monitor"); },

  closed() {
    this.shown = {};
    this.keep();
  },

  canFetch(group) { return role === "admin" && ["waiting", "given_up"].includes(group.state); },

  errorOf(group) {
    if (group.state === "given_up") return `Given up after ${group.attempts} attempts: ${group.last_error}`;
    return group.state === "waiting" ? `Not here yet (${group.attempts} attempts): ${group.last_error}` : group.last_error;
  },

  async fetchAgain(group) {
    const path = `monitors/${part(this.shown.id)}/events/${part(group.event_group_id)}/fetch`;
    if (await telling(() => api(path, { method: "POST" })) === undefined) return;
    toast("Parallel is asked for it again.");
    await this.read();
  },

  async replay(delivery) {
    const path = `monitors/${part(this.shown.id)}/deliveries/${part(delivery.delivery_id)}/replay`;
    if (!await telling(() => api(path, { method: "POST" }))) return;
    toast("It is sent again within seconds.");
    await this.read();
  },
});
