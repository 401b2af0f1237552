// Everything that administrators have made, out of this gateway and into it.

import { ApiError, api, component, confirm, telling, toast } from "../../relay.js";
import { counted } from "../../format.js";

const KINDS = { added: "good", changed: "warning", removed: "critical" };

component("settingsExchange", () => ({
  mode: "merge",
  document: null,
  plan: null,
  error: "",

  get lines() { return this.plan?.lines ?? []; },
  get warnings() { return this.plan?.warnings ?? []; },
  get summary() {
    if (!this.plan) return "";
    const same = `${counted(this.plan.unchanged, "entry", "entries")} as ${this.plan.unchanged === 1 ? "it is" : "they are"}`;
    return this.lines.length ? `${counted(this.lines.length, "change")}, ${same}` : `Nothing changes: ${same}`;
  },

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
    this.error = "";
  },

  async choose(input) {
    this.forget();
    this.document = null;
    const [file] = input.files;
    if (!file) return;
    try {
      this.document = JSON.parse(await file.text());
    } catch {
      this.error = `${file.name} is no JSON. Choose a file that was exported here or by "llm-relay config export FILE.json".`;
    }
  },

  async look() { await this.ask(true); },

  async bringIn() {
    const removed = this.lines.filter((line) => line.action === "removed").length;
    const words = removed ? `${counted(removed, "entry", "entries")} are removed for good.` : "All of it, or nothing where something fails.";
    if (!await confirm(`Import ${counted(this.lines.length, "change")}?`, words, "Import")) return;
    await this.ask(false);
    if (this.plan?.done) {
      toast(`Imported: ${counted(this.lines.length, "change")}.`);
      this.plan = null;
    }
  },

  async ask(dry) {
    this.error = "";
    this.plan = null;
    try {
      const query = { dry_run: dry, replace: this.mode === "replace" };
      const plan = await api("config/import", { method: "POST", body: this.document, query });
      plan.lines = plan.lines.map((line, id) => ({ ...line, id, kind: KINDS[line.action] }));
      this.plan = plan;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error.message;
    }
  },
}));
