// What the dialogs in which something is said of a model have in common: saving, and each fault at its field.

import { ApiError, closeDialog } from "../../relay.js";

/** For the dialog `id` with these `fields`; `saved` is called when something has changed. */
export function saying(id, fields, saved) {
  return {
    errors: {},
    fault: "",

    close() { closeDialog(id); },
    isWrong(field) { return this.errors[field] ? "true" : null; },

    /** Do it and close; the API begins what it says of a field with the field's name. */
    async doing(work) {
      this.errors = {};
      this.fault = "";
      try {
        await work();
        this.close();
        await saved();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const field = /^\w*/.exec(error.message)[0];
        if (fields.includes(field)) this.errors[field] = error.message;
        else this.fault = error.message;
      }
    },
  };
}
