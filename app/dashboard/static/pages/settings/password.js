// The password of whoever is logged in.

import { ApiError, api, component } from "../../relay.js";

component("settingsPassword", () => ({
  password: "",
  fresh: "",
  again: "",
  error: "",

  async change() {
    this.error = "";
    if (this.fresh !== this.again) {
      this.error = "The two new passwords are not the same.";
      return;
    }
    try {
      await api("password", { method: "PUT", body: { password: this.password, new_password: this.fresh } });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error.message;
      return;
    }
    location.assign("/admin/login"); // all sessions are over
  },
}));
