// What went wrong of late, the critical first, and what can be done about each.

import * as format from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { api, component, confirm, keepInAddress, part, queryOf, readAddress, role, telling, toast } from "../relay.js";

const HOURS = ["1", "6", "24", "72", "168"];
const LONGEST_CALL_MS = 3_600_000; // an alert is of when a call ended, and a call is found by when it began
const SEVERITIES = ["critical", "warning"];
const TITLES = {
  auth_error: "Key refused",
  not_found: "Model not found",
  rate_limit: "Too many calls",
  server_error: "Provider failed",
  bad_request: "Request refused",
  unreachable: "Not reachable",
  timeout: "No answer in time",
  breaker_open: "Left alone",
  unknown_price: "Price unknown",
  journal_behind: "Records wait",
  webhook_refused: "Webhook refused",
  events_given_up: "Events given up",
};

const UNKNOWN = { critical: null, warning: null };

component("alerts", () => ({
  ...LOADING,
  hours: "24",
  severity: "",
  alerts: [],
  summary: UNKNOWN,

  get found() { return this.loadFault ? [] : this.alerts.filter((each) => !this.severity || each.severity === this.severity); },
  get isEmpty() { return !this.loading && !this.loadFault && this.alerts.length === 0; },
  get isNoneFound() { return !this.loadFault && this.alerts.length > 0 && this.found.length === 0; },

  get counts() { return this.loadFault ? UNKNOWN : this.summary; },

  async init() {
    const said = readAddress();
    if (HOURS.includes(said.hours?.[0])) this.hours = said.hours[0];
    if (SEVERITIES.includes(said.severity?.[0])) this.severity = said.severity[0];
    await this.load();
  },

  keep() { keepInAddress({ hours: this.hours === "24" ? "" : this.hours, severity: this.severity }); },

  async load() {
    this.keep();
    const { hours } = this;
    const found = await loaded(this, () => api("alerts", { query: { hours } }));
    if (!found) return;
    this.alerts = found.alerts.map(shown);
    this.summary = found.summary;
  },

  showAll() {
    this.severity = "";
    this.keep();
  },

  /** The calls that it was counted of, also those that a further attempt saved; an alert of the gateway itself has none. */
  requestsLink(alert) {
    const day = (moment) => new Date(moment).toISOString().slice(0, 10);
    const period = { start: day(new Date(alert.first_seen) - LONGEST_CALL_MS), end: day(alert.last_seen) };
    const which = alert.isFailure ? { failed: alert.target, live: "off" } : { providers: alert.provider_id, models: alert.model_id };
    return `/admin/requests${queryOf({ ...which, helpers: true, ...period })}`;
  },

  mayDisable(alert) { return role === "admin" && alert.hasTarget; },

  async disable(alert) {
    const words = "No client is offered it any more, and calls of it are refused. It can be enabled again under Models.";
    if (!(await confirm(`Disable ${alert.target}?`, words, "Disable"))) return;
    const path = `models/${part(alert.provider_id)}/${alert.model_id.split("/").map(part).join("/")}`;
    const done = await telling(() => api(path, { method: "PATCH", body: { enabled: false } }));
    if (done) toast(`${alert.target} is disabled.`);
  },

  async dismiss(alert) {
    const { provider_id, model_id, status_code, error_type } = alert;
    const body = { provider_id, model_id, status_code, error_type };
    const done = await telling(() => api("alerts/dismiss", { method: "POST", body }));
    if (!done) return;
    toast(`Hidden until ${format.time(done.dismissed_until)}, and then until it happens again.`);
    await this.load();
    Alpine.store("alerts").count = (await telling(() => api("alerts/count")))?.count ?? 0;
  },
}));

function shown(alert) {
  const target = [alert.provider_id, alert.model_id].filter(Boolean).join("/");
  return {
    ...alert,
    key: [alert.error_type, target, alert.status_code].join(" "),
    title: TITLES[alert.error_type] ?? alert.error_type,
    target: target || "The gateway itself",
    hasTarget: alert.provider_id !== "" && alert.model_id !== "",
    isFailure: alert.error_type !== "unknown_price",
    statusText: alert.status_code ? `status ${alert.status_code}` : "",
  };
}
