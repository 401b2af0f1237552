// One pull of a model: how far it is, and how it is stopped.

import { ApiError, part, send } from "../../relay.js";
import { bytes } from "../../format.js";
import { linesOf } from "../lines.js";

/** Have the browser ask before the page is left. */
const hold = (event) => event.preventDefault();

/** For one server. */
export function pullOf(key) {
  let stop = null;
  return {
    model: "",
    running: false,
    status: "",
    fault: "",
    done: 0,
    total: 0,

    get percent() { return this.total ? `${Math.floor((100 * this.done) / this.total)} %` : ""; },
    get sizes() { return this.total ? `${bytes(this.done)} of ${bytes(this.total)}` : ""; },

    /** True where all of it is there. */
    async run() {
      stop = new AbortController();
      const over = new AbortController();
      addEventListener("beforeunload", hold, { signal: over.signal }); // it ends with the page
      Object.assign(this, { running: true, status: "begins", fault: "", done: 0, total: 0 });
      try {
        const asked = { method: "POST", body: { model: this.model.trim() }, signal: stop.signal };
        const response = await send(`ollama/${part(key)}/pull`, asked);
        for await (const line of linesOf(response)) {
          if (line.error) throw new ApiError(502, line.error);
          this.take(line);
          if (line.status === "success") return true;
        }
        this.fault = "It ended before all of it was there: pull it again, it goes on where it was.";
      } catch (error) {
        if (error.name === "AbortError") this.fault = "Stopped. Pulled again, it goes on where it was.";
        else if (error instanceof ApiError) this.fault = error.message;
        else throw error;
      } finally {
        over.abort();
        this.running = false;
      }
      return false;
    },

    /** A line is of one layer; what has no size, such as a check, leaves the bar where it is. */
    take(line) {
      this.status = line.status ?? "";
      if (line.total) Object.assign(this, { done: line.completed ?? 0, total: line.total });
    },

    cancel() { stop?.abort(); },
  };
}
