// LiteLLM's price file: what it would change, and what of it is taken over.

import { inPlace } from "../../inplace.js";
import { api, closeDialog, showDialog, toast } from "../../relay.js";
import { counted, list, count } from "../../format.js";
import { picking } from "./picking.js";

/** For a page with the dialog `price-sync`; `applied` is called when something was taken over. */
export function priceSync(applied) {
  return {
    url: "",
    busy: false,
    fault: "",
    version: "",
    faults: [],
    picking: picking(),

    get isLooked() { return this.version !== ""; },
    get applyText() { return `Take over ${counted(this.picking.count, "change")}`; },
    get canApply() { return this.picking.count > 0 && !this.busy; },

    open() {
      Object.assign(this, { fault: "", version: "", faults: [] });
      this.picking.set([]);
      showDialog("price-sync");
    },

    close() { closeDialog("price-sync"); },

    async look() {
      await this.doing(async () => {
        const diff = await this.ask({ dry_run: true });
        this.version = diff.version;
        this.faults = diff.faults;
        this.picking.set([...diff.prices.map(ofPrice), ...diff.facts.map(ofFact)]);
      });
    },

    async apply() {
      await this.doing(async () => {
        const said = { version: this.version, prices: this.picking.ids("price"), facts: this.picking.ids("fact") };
        const done = await this.ask({ dry_run: false, ...said });
        toast(`Took over ${counted(done.prices.length + done.facts.length, "change")}.`);
        this.close();
        await applied();
      });
    },

    ask(body) {
      return api("models/sync", { method: "POST", body: { ...body, ...(this.url.trim() && { url: this.url.trim() }) } });
    },

    doing(work) { return inPlace(this, "busy", work); },
  };
}

function ofPrice(each) {
  const lines = each.rates.map((rate) => `${rate.rate}: ${rate.old ?? "–"} → ${rate.new ?? "–"}`);
  const change = each.own_price_stays ? `price ${each.change}; yours stays` : `price ${each.change}`;
  return { id: `price ${each.id}`, target: each.id, kind: "price", note: change, lines, picked: !each.own_price_stays };
}

function ofFact(each) {
  const [old, now] = [each.old, each.new].map(words);
  return { id: `fact ${each.id}`, target: each.id, kind: "fact", note: `facts ${each.change}`, lines: [`${old} → ${now}`], picked: true };
}

function words(facts) {
  if (facts === null) return "–";
  return `context ${count(facts.context_length)}, reply ${count(facts.max_output_tokens)}, ${list(facts.capabilities)}`;
}
