// The password of whoever is logged in.

import { inPlace } from "../../inplace.js";
import { api, component } from "../../relay.js";

component("settingsPassword", () => ({
  password: "",
  fresh: "",
  again: "",
  fault: "",
  busy: false,

  async change() {
    if (this.fresh !== this.again) {
      this.fault = "The two new passwords are not the same.";
      return;
    }
    await inPlace(this, "busy", async () => {
      await api("password", { method: "PUT", body: { password: this.password, new_password: this.fresh } });
      location.assign("/admin/login"); // all sessions are over
    });
  },
}));
