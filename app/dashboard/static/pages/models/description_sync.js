// Descriptions by the providers and by OpenRouter: they are asked, and what is picked of their answers is taken over.

import { inPlace } from "../../inplace.js";
import { closeDialog, send, showDialog, toast } from "../../relay.js";
import { counted } from "../../format.js";
import { linesOf } from "../lines.js";
import { picking } from "./picking.js";

/** For a page with the dialog `description-sync`; `applied` is called when something was taken over. */
export function descriptionSync(applied) {
  return {
    updateExisting: false,
    url: "",
    busy: false,
    fault: "",
    done: 0,
    all: 0,
    asking: "",
    isLooked: false,
    attempted: [],
    picking: picking(),

    get applyText() { return `Take over ${counted(this.picking.count, "description")}`; },
    get canApply() { return this.picking.count > 0 && !this.busy; },

    open() {
      Object.assign(this, { fault: "", isLooked: false, attempted: [], done: 0, all: 0, asking: "" });
      this.picking.set([]);
      showDialog("description-sync");
    },

    close() { closeDialog("description-sync"); },

    async look() {
      const result = await this.ask({ dry_run: true });
      if (!result) return;
      this.isLooked = true;
      this.attempted = Object.entries(result.attempted).map(([who, verdict]) => ({ who, verdict: verdict.replaceAll("_", " ") }));
      this.picking.set(result.descriptions.map((each) => ({ ...each, target: each.id, note: `by ${each.origin}`, picked: true })));
    },

    async apply() {
      const result = await this.ask({ dry_run: false, models: this.picking.ids() });
      if (!result) return;
      toast(`Took over ${counted(result.descriptions.length, "description")}.`);
      this.close();
      await applied();
    },

    /** The result, or undefined where it came to none. */
    ask(body) {
      Object.assign(this, { done: 0, all: 0 });
      const asked = { ...body, update_existing: this.updateExisting, ...(this.url.trim() && { url: this.url.trim() }) };
      return inPlace(this, "busy", async () => {
        const response = await send("models/sync/descriptions", { method: "POST", body: asked });
        for await (const line of linesOf(response)) {
          if (line.error) this.fault = line.error.message;
          if (line.result) return line.result;
          if (line.asked) Object.assign(this, { done: line.done, all: line.all, asking: line.asked });
        }
        return undefined;
      });
    },
  };
}
