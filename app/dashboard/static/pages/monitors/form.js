// The form for a new monitor.

import { api, closeDialog, copy, showDialog, telling, toast } from "../../relay.js";

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
    this.creating = true;
    this.fault = "";
    const body = Object.fromEntries(Object.entries(this.draft).filter(([, value]) => value !== ""));
    await telling(async () => {
      try {
        this.made = await api("monitors", { method: "POST", body });
      } catch (error) {
        if (error.name !== "Error" || !error.status) throw error;
        this.fault = error.message;
      }
    });
    this.creating = false;
    if (!this.made.monitor_id) return;
    toast("The monitor is active.");
    await this.load();
  },
});
