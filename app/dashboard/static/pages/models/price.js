// An administrator's own price of a model, which counts before all lists.

import { api, confirm, part, showDialog, toast } from "../../relay.js";
import { objectIn } from "../objects.js";
import { saying } from "./saying.js";

const RATES = ["input", "output", "cache_read", "cache_write"];

/** For a page with the dialog `price-editor`; `saved` is called when something has changed. */
export function priceEditor(saved) {
  return {
    ...saying("price-editor", RATES, saved),
    provider: "",
    model: "",
    input: "",
    output: "",
    cache_read: "",
    cache_write: "",
    rest: "",
    isOwn: false,
    source: "",

    get title() { return `Price of ${this.provider}/${this.model}`; },

    async edit({ provider, model }) {
      const { price } = await api(`models/${part(provider)}/${part(model)}`);
      const rates = price.rates ?? {};
      // What depends on the size of the prompt has no field here.
      const plain = RATES.filter((rate) => typeof rates[rate] !== "object");
      const rest = Object.fromEntries(Object.entries(rates).filter(([rate]) => !plain.includes(rate)));
      Object.assign(this, {
        provider, model, errors: {}, fault: "",
        isOwn: price.source === "admin",
        source: price.source === null ? "Nobody says what it costs." : `In force now: ${price.version}.`,
        ...Object.fromEntries(RATES.map((rate) => [rate, plain.includes(rate) ? (rates[rate] ?? "") : ""])),
        rest: Object.keys(rest).length ? JSON.stringify(rest, null, 2) : "",
      });
      showDialog("price-editor");
    },

    async save() {
      let rates;
      try {
        rates = objectIn(this.rest);
      } catch (error) {
        this.errors = { rest: `This is no JSON object: ${error.message}` };
        return;
      }
      for (const rate of RATES) {
        if (String(this[rate]).trim()) rates[rate] = String(this[rate]).trim();
      }
      await this.doing(async () => {
        await api(`models/prices/${part(this.provider)}/${part(this.model)}`, { method: "PUT", body: rates });
        toast(`Calls of ${this.model} cost what you said from now on.`);
      });
    },

    async remove() {
      if (!(await confirm("Remove your price?", "The next one that is known counts from then on.", "Remove"))) return;
      await this.doing(async () => {
        await api(`models/prices/${part(this.provider)}/${part(this.model)}`, { method: "DELETE" });
        toast("Your price is removed.");
      });
    },
  };
}
