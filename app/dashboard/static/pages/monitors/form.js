// The form for a new monitor.

import { inPlace } from "../../inplace.js";
import { api, closeDialog, copy, showDialog, toast } from "../../relay.js";

const EMPTY = { username: "", query: "", frequency: "1d", processor: "lite", forward_url: "" };

export const form = () => ({
  draft: { ...EMPTY },
  made: {},
  fault: "",
  creating: false,

  openForm() {
    this.draft = { ...EMPTY, username: this.username };
    this.made = {};
    this.fault = "";
    showDialog("new-monitor");
  },

  closeForm() { closeDialog("new-monitor"); },

  copySecret() { copy(this.made.forward_secret); },

  async create() {
    const body = Object.fromEntries(Object.entries(this.draft).filter(([, value]) => value !== ""));
    const made = await inPlace(this, "creating", () => api("monitors", { method: "POST", body }));
    if (!made) return;
    this.made = made;
    toast("The monitor is active.");
    await this.load();
  },
});
