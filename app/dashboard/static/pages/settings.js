import { component, keepInAddress, readAddress } from "../relay.js";
import "./settings/general.js";
import "./settings/administrators.js";
import "./settings/sessions.js";
import "./settings/password.js";
import "./settings/exchange.js";
import "./settings/system.js";

component("settings", () => ({
  tab: "",

  get labelledBy() { return `tab-${this.tab}`; },

  init() {
    const said = readAddress().tab?.[0];
    this.tab = this.tabs().some((each) => each.id === `tab-${said}`) ? said : "general";
  },

  /** Those that are shown: some are for admins only. */
  tabs() {
    return [...this.$root.querySelectorAll("[role=tab]")].filter((each) => each.style.display !== "none");
  },

  select(tab) {
    this.tab = tab;
    keepInAddress({ tab: tab === "general" ? "" : tab });
  },
}));
