// One token: how its limits stand, what it used in the last 30 days, and what can be done with it.

import { momentOf, timeChart } from "../../charts.js";
import * as format from "../../format.js";
import { api, closeDialog, component, confirm, part, queryOf, showDialog, telling, toast } from "../../relay.js";
import { bar, barOfToday } from "./limits.js";

const DAYS = 30;

component("tokenDetail", () => ({
  token: null,
  totals: null,
  drop: null,

  get title() { return this.token ? `Token of ${this.token.username}` : "Token"; },
  get bars() { return this.token ? [barOfToday(this.token), ...this.token.use.map(bar)] : []; },
  get isDisabled() { return this.token?.disabled ?? false; },
  get query() { return queryOf({ tokens: this.token?.id, days: DAYS }); },
  get usageLink() { return `/admin/usage${this.query}`; },
  get requestsLink() { return `/admin/requests${this.query}`; },
  get facts() {
    const token = this.token;
    if (!token) return [];
    return [
      ["Id", token.id],
      ["State", token.state],
      ["Models", token.models.join(", ") || "all"],
      ["Tags", format.list(token.tags)],
      ["Made", format.time(token.created)],
      ["Expires", token.expires ? format.time(token.expires) : "never"],
      ["Last used", format.since(token.last_used)],
      ["Calls ever", format.count(token.lifetime_requests)],
      ["May administer", token.admin ? "yes" : "no"],
      ["Bodies are kept", token.log_bodies ? "yes" : "no"],
    ].map(([name, value]) => ({ name, value }));
  },

  async open(id) {
    if (!(await this.load(id))) return;
    showDialog("token");
    await this.loadUsage();
  },

  async load(id) {
    const found = await telling(() => api(`tokens/${part(id)}`));
    if (found) this.token = found;
    return found !== undefined;
  },

  async loadUsage() {
    const query = { tokens: this.token.id, days: DAYS };
    const found = await telling(() => Promise.all([api("usage/summary", { query }), api("usage/timeseries", { query })]));
    if (!found) return;
    const [summary, series] = found;
    this.totals = summary.totals;
    this.drop?.();
    this.drop = timeChart(this.$refs.chart, series.points.map((each) => momentOf(each.start, "day")), [
      { label: "Calls", values: series.points.map((each) => each.calls), format: format.count },
    ], { height: 160 });
  },

  /** Another part of the page changed a token. */
  changed(id) {
    if (this.token?.id === id && this.$root.open) this.load(id);
  },

  close() { closeDialog("token"); },

  closed() {
    this.drop?.();
    this.drop = null;
    this.$dispatch("token-closed");
  },

  edit() { this.$dispatch("edit-token", this.token); },
  rotate() { this.$dispatch("rotate-token", this.token); },

  async setDisabled(disabled) {
    const words = "Its clients are refused from then on, until it is enabled again here.";
    if (disabled && !(await confirm(`Disable the token of ${this.token.username}?`, words, "Disable"))) return;
    const done = await telling(() => api(`tokens/${part(this.token.id)}`, { method: "PATCH", body: { disabled } }));
    if (!done) return;
    toast(disabled ? "The token is refused from now on." : "The token is good again.");
    this.$dispatch("token-changed", done.id);
  },

  disable() { return this.setDisabled(true); },
  enable() { return this.setDisabled(false); },

  async remove() {
    const { id, username } = this.token;
    if (!(await confirm(`Delete the token of ${username}?`, "Its clients are refused from then on. Its calls stay in the log."))) return;
    const done = await telling(() => api(`tokens/${part(id)}`, { method: "DELETE" }));
    if (done === undefined) return;
    this.close();
    toast(`The token of ${username} is deleted.`);
    this.$dispatch("token-changed", id);
  },
}));
