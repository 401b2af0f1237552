// A token's text, which is shown this once, with the code that uses it.

import { closeDialog, component, copy, showDialog } from "../../relay.js";
import { codeFor, LANGUAGES } from "../playground/code.js";

/** What is asked, by a client that there is code for. */
const HELLO = { streamed: false, turns: [{ role: "user", text: "Hello" }] };

component("issued", () => ({
  words: "",
  text: "",
  model: "demo",
  sample: "curl",
  kinds: Object.entries(LANGUAGES).map(([id, title]) => ({ id, title })),

  get code() { return codeFor(this.sample, "openai", { model: this.model, ...HELLO }, this.text); },

  open(issued) {
    this.words = issued.words;
    this.text = issued.text;
    this.model = issued.token.models.find((name) => !/[*?]/.test(name)) ?? "demo";
    this.sample = "curl";
    showDialog("issued-token");
  },

  /** The text is gone with the dialog. */
  close() {
    closeDialog("issued-token");
    this.text = "";
  },

  pick(kind) { this.sample = kind; },
  isPicked(kind) { return this.sample === kind; },
  copyText() { copy(this.text); },
  copyCode() { copy(this.code); },
}));
