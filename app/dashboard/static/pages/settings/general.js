// Settings that can be changed while the gateway runs.

import { LOADING, inPlace, loaded } from "../../inplace.js";
import { api, component, confirm, part, toast } from "../../relay.js";

const TITLES = {
  default_model: "Default model",
  retention_days: "Keep calls",
  bodies_retention_days: "Keep what was said",
  client_addresses: "Clients' addresses",
  dns_resolution: "Names of clients",
};

component("settingsGeneral", () => ({
  ...LOADING,
  rows: [],

  init() { return this.load(); },

  async load() {
    const found = await loaded(this, () => api("settings"));
    if (found) this.rows = found.settings.map(rowOf);
  },

  async save(row) {
    const value = valueOf(row);
    if (isShorter(row, value) && !await confirm(`Keep ${value} days?`, "What is older is deleted within the hour, for good.", "Keep less")) return;
    await this.change(row, () => api(`settings/${part(row.name)}`, { method: "PUT", body: { value } }));
  },

  async reset(row) {
    if (isShorter(row, row.environment) && !await confirm(`Keep ${row.environment} days?`, "What is older is deleted within the hour, for good.", "Keep less")) return;
    await this.change(row, () => api(`settings/${part(row.name)}`, { method: "DELETE" }));
  },

  async change(row, work) {
    const changed = await inPlace(row, "busy", work);
    if (!changed) return;
    Object.assign(row, rowOf(changed));
    toast(`${row.title}: ${written(row, row.value)}.`);
  },
}));

function rowOf(setting) {
  const kept = setting.value === null ? "" : String(setting.value);
  return {
    ...setting,
    title: TITLES[setting.name] ?? setting.name,
    unit: "Days (0 is for ever)",
    kept,
    draft: kept,
    busy: false,
    fault: "",
    from: setting.environment === null ? "Not set" : "From the environment",
    environmentText: written(setting, setting.environment),
  };
}

function valueOf(row) {
  if (row.kind === "switch") return row.draft === "true";
  if (row.kind === "number") return row.draft === "" ? null : Number(row.draft);
  return row.draft.trim() || null;
}

function isShorter(row, value) {
  return row.kind === "number" && value > 0 && (row.value === 0 || value < row.value);
}

function written(setting, value) {
  if (value === null) return "none";
  if (setting.kind === "switch") return value ? "on" : "off";
  if (setting.kind === "number") return value === 0 ? "for ever" : value === 1 ? "1 day" : `${value} days`;
  return value;
}
