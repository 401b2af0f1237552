// The dialog in which a token is made, or changed.

import { inPlace } from "../../inplace.js";
import { api, closeDialog, component, part, showDialog, telling, toast } from "../../relay.js";
import { fromFields, toFields } from "./limits.js";

const CALLS_A_DAY = 15;
const MINUTE_MS = 60_000;

component("tokenForm", () => ({
  id: "",
  draft: draftOf(null),
  before: {},
  fault: "",
  saving: false,

  get title() { return this.id ? `Change the token ${this.id}` : "New token"; },
  get action() { return this.id ? "Save" : "Make the token"; },

  open(token) {
    this.id = token?.id ?? "";
    this.draft = draftOf(token);
    this.before = bodyOf(this.draft);
    this.fault = "";
    showDialog("token-form");
  },

  close() { closeDialog("token-form"); },

  save() { return inPlace(this, "saving", () => (this.id ? this.change() : this.create())); },

  async create() {
    const issued = await api("tokens", { method: "POST", body: bodyOf(this.draft) });
    this.close();
    this.$dispatch("token-changed", issued.token.id);
    this.$dispatch("token-issued", { ...issued, words: `The token of ${issued.token.username}` });
  },

  async change() {
    const now = bodyOf(this.draft);
    const changes = Object.fromEntries(Object.entries(now).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(this.before[name])));
    if (Object.keys(changes).length > 0) {
      const token = await api(`tokens/${part(this.id)}`, { method: "PATCH", body: changes });
      toast(`The token of ${token.username} is changed.`);
      this.$dispatch("token-changed", this.id);
    }
    this.close();
  },
}));

component("rotation", () => ({
  token: { id: "", username: "" },
  hours: 24,
  turning: false,

  open(token) {
    this.token = token;
    this.hours = 24;
    showDialog("rotation");
  },

  close() { closeDialog("rotation"); },

  async rotate() {
    this.turning = true;
    const body = { grace_hours: Number(this.hours) };
    const issued = await telling(() => api(`tokens/${part(this.token.id)}/rotate`, { method: "POST", body }));
    this.turning = false;
    if (!issued) return;
    this.close();
    this.$dispatch("token-changed", this.token.id);
    this.$dispatch("token-issued", { ...issued, words: `The new text of the token of ${issued.token.username}` });
  },
}));

function draftOf(token) {
  return {
    username: token?.username ?? "",
    expires: token?.expires ? toLocal(token.expires) : "",
    rate_limit: token?.rate_limit ?? CALLS_A_DAY,
    models: token?.models.join(", ") ?? "",
    tags: token?.tags.join(", ") ?? "",
    admin: token?.admin ?? false,
    log_bodies: token?.log_bodies ?? false,
    ...toFields(token),
  };
}

function bodyOf(draft) {
  return {
    username: draft.username,
    expires: draft.expires ? new Date(draft.expires).toISOString() : null,
    rate_limit: Number(draft.rate_limit),
    models: names(draft.models),
    tags: names(draft.tags),
    admin: draft.admin,
    log_bodies: draft.log_bodies,
    ...fromFields(draft),
  };
}

const names = (text) => text.split(",").map((each) => each.trim()).filter(Boolean);

/** As an input of a date and a time has it: in the viewer's zone, to the minute. */
function toLocal(moment) {
  const at = new Date(moment);
  return new Date(at - at.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
}
