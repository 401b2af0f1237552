// Everything that administrators have made, out of this gateway and into it.

import { inPlace } from "../../inplace.js";
import { api, component, confirm, telling, toast } from "../../relay.js";
import { changesOf } from "../../changes.js";
import { counted } from "../../format.js";

const KINDS = { added: "good", changed: "warning", removed: "critical" };
const ORDER = ["removed", "changed", "added"];
const MOST = 200; // more lines at once than anybody reads

component("settingsExchange", () => ({
  mode: "merge",
  document: null,
  plan: null,
  fault: "",
  busy: false,
  showsAll: false,

  get lines() { return this.plan?.lines ?? []; },
  get shown() { return this.showsAll ? this.lines : this.lines.slice(0, MOST); },
  get rest() { return this.lines.length - this.shown.length; },
  get restWords() { return `Show ${this.rest} more`; },
  get warnings() { return this.plan?.warnings ?? []; },
  get summary() {
    if (!this.plan) return "";
    const same = `${counted(this.plan.unchanged, "entry", "entries")} as ${this.plan.unchanged === 1 ? "it is" : "they are"}`;
    if (!this.lines.length) return `Nothing changes: ${same}`;
    return `${this.plan.done ? "Imported: " : ""}${counted(this.lines.length, "change")}, ${same}`;
  },
  get mayImport() { return this.lines.length > 0 && !this.plan.done; },

  async download() {
    const document_ = await telling(() => api("config/export"));
    if (!document_) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${JSON.stringify(document_, null, 2)}\n`], { type: "application/json" }));
    link.download = `llm-relay-${new Date().toISOString().slice(0, 10)}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  },

  /** What was shown is of another file, or of another mode. */
  forget() {
    this.plan = null;
    this.fault = "";
  },

  /** A browser tells of the same file once more only where none was chosen before. */
  clear(input) {
    this.forget();
    this.document = null;
    input.value = "";
  },

  async choose(input) {
    this.forget();
    this.document = null;
    const [file] = input.files;
    if (!file) return;
    try {
      this.document = JSON.parse(await file.text());
    } catch {
      this.fault = `${file.name} is no JSON. Choose a file that was exported here or by "llm-relay config export FILE.json".`;
    }
  },

  async look() { await this.ask(true); },

  async bringIn() {
    const removed = this.lines.filter((line) => line.action === "removed").length;
    const words = removed ? `${counted(removed, "entry", "entries")} are removed for good.` : "All of it, or nothing where something fails.";
    if (!await confirm(`Import ${counted(this.lines.length, "change")}?`, words, "Import")) return;
    await this.ask(false, this.plan.mark);
    if (this.plan?.done) toast(`Imported: ${counted(this.lines.length, "change")}.`);
  },

  showAll() { this.showsAll = true; },

  /** `seen` is the mark of what was shown: the gateway does that, or nothing. */
  async ask(dry, seen) {
    this.forget();
    this.showsAll = false;
    const query = { dry_run: dry, replace: this.mode === "replace", seen };
    const plan = await inPlace(this, "busy", () => api("config/import", { method: "POST", body: this.document, query }));
    if (!plan) return;
    // What is removed stands first: nobody is to look for it among what is added.
    plan.lines.sort((one, other) => ORDER.indexOf(one.action) - ORDER.indexOf(other.action));
    plan.lines = plan.lines.map((line, id) => ({
      ...line, id, kind: KINDS[line.action], values: changesOf(line.before, line.after),
    }));
    this.plan = plan;
  },
}));
