// Bringing in names from a document: what that changes is shown first.

import { inPlace } from "../../inplace.js";
import { api, closeDialog, component, showDialog, toast } from "../../relay.js";
import { tell } from "./kinds.js";

component("importer", () => ({
  text: "",
  replace: false,
  fault: "",
  busy: false,
  plan: null,
  rows: [],

  get warnings() { return this.plan?.warnings ?? []; },
  get isPlanned() { return this.plan !== null; },
  get isEmpty() { return this.isPlanned && !this.rows.length; },
  get isReady() { return this.isPlanned && this.rows.length > 0; },

  open() {
    Object.assign(this, { text: "", replace: false, fault: "" });
    this.forget();
    showDialog("name-import");
  },

  close() { closeDialog("name-import"); },

  /** What was planned is no longer what would be done. */
  forget() {
    this.plan = null;
    this.rows = [];
  },

  async read(event) {
    const [file] = event.target.files;
    if (file) this.text = await file.text();
    this.forget();
  },

  async look() {
    this.plan = await this.send(true);
    this.rows = this.plan ? rowsOf(this.plan) : [];
  },

  async bringIn() {
    if (!(await this.send(false, this.plan.mark))) return;
    toast("Brought in.");
    this.close();
    tell("name-saved", {});
  },

  /** `seen` is the mark of what was shown: the gateway does that, or nothing. */
  async send(isDry, seen) {
    let body;
    try {
      body = JSON.parse(this.text);
    } catch (error) {
      this.fault = `This is no JSON: ${error.message}`;
      return null;
    }
    const query = { replace: this.replace, dry_run: isDry, seen };
    return (await inPlace(this, "busy", () => api("names/import", { method: "POST", body, query }))) ?? null;
  },
}));

function rowsOf({ added, changed, deleted }) {
  const told = [["add", "good", added], ["change", "", changed], ["delete", "bad", deleted]];
  return told.flatMap(([what, style, names]) =>
    names.map((each) => ({ ...each, key: `${what} ${each.kind} ${each.name}`, what, style, fields: (each.fields ?? []).map((name) => fieldOf(each, name)) })));
}

function fieldOf({ before, after }, name) {
  return { name, text: `${JSON.stringify(before[name])} → ${JSON.stringify(after[name])}` };
}
