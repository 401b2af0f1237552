// What the dialogs in which something is said of a model have in common: saving, and each fault at its field.

import { inPlace } from "../../inplace.js";
import { closeDialog } from "../../relay.js";

/** For the dialog `id` with these `fields`; `saved` is called when something has changed. */
export function saying(id, fields, saved) {
  return {
    errors: {},
    fault: "",
    busy: false,

    close() { closeDialog(id); },
    isWrong(field) { return this.errors[field] ? "true" : null; },

    /** Do it and close; the API begins what it says of a field with the field's name. */
    async doing(work) {
      this.errors = {};
      await inPlace(this, "busy", async () => {
        await work();
        this.close();
        await saved();
      });
      const field = /^\w*/.exec(this.fault)[0];
      if (fields.includes(field)) [this.errors[field], this.fault] = [this.fault, ""];
    },
  };
}
