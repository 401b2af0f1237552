// What an administrator says of a model: it counts before all that others say.

import { api, confirm, part, showDialog, toast } from "../../relay.js";
import { saying } from "./saying.js";

const EMPTY = { family: "", context_length: "", max_output_tokens: "", capabilities: [], description: "", offered: "" };
const WORDS = {
  family: "Family", context_length: "Context", max_output_tokens: "Longest reply", capabilities: "Can", description: "Description",
};
const WHO = {
  custom: "you", file: "your file of overrides", synced: "a look-up", provider: "its provider", litellm: "LiteLLM's file",
  shipped: "what is shipped", bundled: "what comes with the prices", name: "its name",
};

/** For a page with the dialog `model-editor`; `saved` is called when something has changed. */
export function modelEditor(saved) {
  return {
    ...saying("model-editor", Object.keys(EMPTY), saved),
    ...EMPTY,
    provider: "",
    model: "",
    isNew: true,
    isSaid: false,
    facts: [],

    get title() { return this.isNew ? "Add a model" : `${this.provider}/${this.model}`; },

    add(provider) {
      this.open({ ...EMPTY, provider, model: "", offered: "yes", isNew: true, isSaid: false, facts: [] });
    },

    async edit({ provider, model }) {
      const known = await api(`models/${part(provider)}/${part(model)}`);
      const said = known.said ?? {};
      this.open({
        provider, model: known.model, isNew: false, isSaid: known.said !== null,
        facts: Object.entries(WORDS).map(([name, word]) => factOf(name, word, known)),
        family: said.family ?? "",
        context_length: said.context_length ?? "",
        max_output_tokens: said.max_output_tokens ?? "",
        capabilities: said.capabilities ?? [],
        description: said.description ?? "",
        offered: said.enabled === true ? "yes" : said.enabled === false ? "no" : "",
      });
    },

    open(fields) {
      Object.assign(this, fields, { errors: {}, fault: "" });
      showDialog("model-editor");
    },

    async save() {
      const body = {
        family: this.family.trim() || null,
        context_length: numberOf(this.context_length),
        max_output_tokens: numberOf(this.max_output_tokens),
        capabilities: this.capabilities.length ? [...this.capabilities] : null,
        description: this.description.trim() || null,
        enabled: { yes: true, no: false }[this.offered] ?? null,
      };
      await this.doing(async () => {
        if (this.isNew) await api("models", { method: "POST", body: { provider: this.provider, model: this.model.trim(), ...body } });
        else await api(`models/${part(this.provider)}/${part(this.model)}`, { method: "PUT", body });
        toast(`${this.provider}/${this.model} is saved.`);
      });
    },

    async reset() {
      const text = "What its provider, the files and the look-ups say counts again. One that only you offer is offered no more.";
      if (!(await confirm(`Take back what you said of ${this.model}?`, text, "Reset"))) return;
      await this.doing(async () => {
        await api(`models/${part(this.provider)}/${part(this.model)}`, { method: "DELETE" });
        toast(`${this.provider}/${this.model} is as others know it again.`);
      });
    },
  };
}

function factOf(name, word, known) {
  const value = known[name];
  const text = Array.isArray(value) ? value.join(", ") : typeof value === "number" ? `${value.toLocaleString("en-US")} tokens` : value;
  return { name, word, text: text || "nobody says", who: known.origins[name] ? `says ${WHO[known.origins[name]] ?? known.origins[name]}` : "" };
}

function numberOf(value) {
  return value === "" || value === null ? null : Number(value);
}
