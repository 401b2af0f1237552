// Logins that are good now.

import { LOADING, loaded } from "../../inplace.js";
import { api, component, confirm, part, telling, toast } from "../../relay.js";

component("settingsSessions", () => ({
  ...LOADING,
  list: [],

  init() { return this.load(); },

  async load() {
    const found = await loaded(this, () => api("sessions"));
    if (!found) return;
    this.list = found.sessions.map((each) => ({ ...each, endLabel: each.current ? "End this session" : `End a session of ${each.name}` }));
  },

  async end(each) {
    const words = each.current ? "You are logged out." : `${each.name} has to log in again.`;
    if (!await confirm("End this session?", words, "End it")) return;
    await telling(async () => {
      await api(`sessions/${part(each.id)}`, { method: "DELETE" });
      if (each.current) location.assign("/admin/login");
      toast("The session was ended.");
      await this.load();
    });
  },
}));
