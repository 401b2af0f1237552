// The page itself: its tabs, and the list of tokens.

import { LOADING, loaded } from "../../inplace.js";
import { api, component, keepInAddress, readAddress } from "../../relay.js";
import { bar, barOfToday } from "./limits.js";

const STATES = { active: "good", disabled: "warning", expired: "critical" };

component("tokens", () => ({
  ...LOADING,
  tokens: [],
  tab: "tokens",
  search: "",
  state: "",
  id: "",

  get isTokens() { return this.tab === "tokens"; },
  get isUsers() { return this.tab === "users"; },
  get isEmpty() { return !this.loading && !this.loadFault && this.tokens.length === 0; },
  get found() { return this.tokens.filter((each) => this.matches(each)); },
  get isNothingFound() { return this.tokens.length > 0 && this.found.length === 0; },

  async init() {
    const said = readAddress();
    this.tab = said.tab?.[0] === "users" ? "users" : "tokens";
    this.search = said.search?.[0] ?? "";
    this.state = said.state?.[0] in STATES ? said.state[0] : "";
    await this.load();
    if (said.id) this.open(said.id[0]);
  },

  async load() {
    this.tokens = (await loaded(this, () => api("tokens")))?.tokens ?? this.tokens;
  },

  matches(token) {
    const words = [token.id, token.username, ...token.tags, ...token.models].join(" ").toLowerCase();
    return (!this.state || token.state === this.state) && words.includes(this.search.trim().toLowerCase());
  },

  keep() {
    keepInAddress({ tab: this.isUsers ? "users" : "", search: this.search, state: this.state, id: this.id });
  },

  showTokens() { this.tab = "tokens"; this.keep(); },
  showUsers() { this.tab = "users"; this.keep(); },

  create() { this.$dispatch("edit-token", null); },

  open(id) {
    this.id = id;
    this.keep();
    this.$dispatch("open-token", id);
  },

  closed() {
    this.id = "";
    this.keep();
  },

  stateKind(token) { return STATES[token.state]; },
  bars(token) { return [barOfToday(token), ...token.use.map(bar)]; },
  models(token) { return token.models.join(", ") || "all"; },
  expiry(token) { return token.expires === null ? "never" : this.$format.time(token.expires); },
}));
