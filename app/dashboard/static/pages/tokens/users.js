// Users, and what each may use over all of their tokens.

import { LOADING, inPlace, loaded } from "../../inplace.js";
import { api, closeDialog, component, part, showDialog, telling, toast } from "../../relay.js";
import { bar, fromFields, inWords, toFields } from "./limits.js";

component("users", () => ({
  ...LOADING,
  users: [],
  search: "",

  get isEmpty() { return !this.loading && !this.loadFault && this.users.length === 0; },
  get isNothingFound() { return this.users.length > 0 && this.found.length === 0; },
  get found() {
    const words = this.search.trim().toLowerCase();
    return this.users.filter((each) => each.username.toLowerCase().includes(words));
  },

  init() { return this.load(); },

  async load() {
    this.users = (await loaded(this, () => api("users")))?.users ?? this.users;
  },

  limits(user) { return inWords(user); },
  open(user) { this.$dispatch("open-user", user); },
  create() { this.$dispatch("open-user", null); },
  usageLink(user) { return `/admin/usage?users=${part(user.username)}&days=30`; },
}));

component("userForm", () => ({
  known: false,
  username: "",
  draft: toFields(null),
  bars: [],
  fault: "",
  saving: false,

  get title() { return this.known ? `Limits of ${this.username}` : "Limit a user"; },

  async open(user) {
    this.known = user !== null;
    this.username = user?.username ?? "";
    this.draft = toFields(user);
    this.bars = [];
    this.fault = "";
    showDialog("user-form");
    if (!this.known) return;
    const found = await telling(() => api(`users/${part(this.username)}`));
    this.bars = (found?.use ?? []).map(bar);
  },

  close() { closeDialog("user-form"); },

  save() {
    return inPlace(this, "saving", async () => {
      const limits = fromFields(this.draft);
      const user = this.known
        ? await api(`users/${part(this.username)}`, { method: "PUT", body: limits })
        : await api("users", { method: "POST", body: { username: this.username.trim(), ...limits } });
      toast(`The limits of ${user.username} are set.`);
      this.close();
      this.$dispatch("user-changed");
    });
  },
}));
