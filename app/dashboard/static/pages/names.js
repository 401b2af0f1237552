// The page of names: which smart models there are, by kinds; the parts that look into one stand in files of their own.

import "../relay.js";
import "./names/editing.js";
import "./names/explaining.js";
import "./names/exchange.js";
import "./names/kept.js";
import "./names/replay.js";
import { LOADING, loaded } from "../inplace.js";
import { api, component, confirm, keepInAddress, part, readAddress, role, telling, toast } from "../relay.js";
import { KINDS, PLURALS, tell } from "./names/kinds.js";
import { columnsOf, rowOf, usageBy } from "./names/listing.js";

const EXPLAINED = {
  alias: "An alias is another name for a model: clients keep theirs while you change what answers.",
  redirect: "A redirect sends names elsewhere: one, or all that a pattern such as gpt-* fits.",
  router: "A router chooses one of several models for each request.",
  cache: "A cache answers again what was answered before, in the same words or in others that mean the same.",
  augmentor: "An augmentor puts what the web says before the question.",
};

component("names", () => ({
  ...LOADING,
  tab: "alias",
  view: "",
  key: "",
  search: "",
  all: [],
  unreadable: [],

  get kind() { return KINDS.includes(this.tab) ? this.tab : "alias"; },
  get isList() { return this.tab !== "explain" && !this.view; },
  get isExplain() { return this.tab === "explain"; },
  get isKept() { return this.view === "kept"; },
  get isReplay() { return this.view === "replay"; },
  get words() { return EXPLAINED[this.kind]; },
  get article() { return "aeiou".includes(this.kind[0]) ? "an" : "a"; },
  get columns() { return columnsOf(this.kind); },
  get isEmpty() { return !this.loading && !this.loadFault && !this.all.length && !this.unreadable.length; },
  get isNoneFound() { return !this.loading && this.all.length > 0 && !this.rows.length; },
  get isTable() { return this.rows.length > 0; },
  get rows() {
    const wanted = this.search.trim().toLowerCase();
    return this.all.filter((row) => row.searched.includes(wanted));
  },

  async init() {
    const said = readAddress();
    this.tab = [...KINDS, "explain"].includes(said.tab?.[0]) ? said.tab[0] : "alias";
    this.search = said.search?.[0] ?? "";
    await this.load();
    const row = this.all.find((each) => each.id === said.key?.[0]);
    if (row && role === "admin" && said.view?.[0] === "kept" && this.kind === "cache") this.look(row);
    else if (row && role === "admin" && said.view?.[0] === "replay" && this.kind === "router") this.replay(row);
    else this.keep();
    if (this.isExplain) tell("name-explain", { name: said.name?.[0] ?? "" });
  },

  keep() {
    keepInAddress({ tab: this.tab, search: this.isList ? this.search : "", view: this.view, key: this.key });
  },

  isTab(tab) { return this.tab === tab; },

  async choose(tab) {
    this.tab = tab;
    this.search = "";
    [this.all, this.unreadable] = [[], []];
    this.back();
    if (this.isList) await this.load();
    else tell("name-explain", { name: "" });
  },

  back() {
    this.view = "";
    this.key = "";
    this.keep();
  },

  async load() {
    const kind = this.kind;
    const found = await loaded(this, () => Promise.all([
      api(PLURALS[kind]),
      api(`usage/by-${usageBy(kind)}`, { query: { days: 30 } }).catch(() => ({ groups: [] })),
    ]));
    if (!found) return;
    const [models, usage] = found;
    const used = new Map(usage.groups.map((group) => [group.key, group]));
    this.all = models[PLURALS[kind]].map((model) => rowOf(kind, model, used.get(model.name)));
    this.unreadable = models.unreadable;
  },

  create() { tell("name-edit", { kind: this.kind, model: null }); },
  edit(row) { tell("name-edit", { kind: this.kind, model: row.model }); },

  explain(row) {
    this.tab = "explain";
    this.back();
    tell("name-explain", { name: row.name });
  },

  look(row) {
    [this.view, this.key] = ["kept", row.id];
    this.keep();
    tell("name-kept", { model: row.model });
  },

  replay(row) {
    [this.view, this.key] = ["replay", row.id];
    this.keep();
    tell("name-replay", { model: row.model, definition: row.definition });
  },

  /** The form of a router asks for its definition to be tried. */
  tryOut(event) {
    [this.view, this.key] = ["replay", event.detail.model.id];
    this.keep();
    tell("name-replay", event.detail);
  },

  async toggle(row) {
    const words = "Clients that ask for it are told that there is no such model, until it is enabled again here.";
    if (row.model.enabled && !(await confirm(`Disable ${row.name}?`, words, "Disable"))) return;
    const body = { enabled: !row.model.enabled };
    const done = await telling(() => api(`${PLURALS[this.kind]}/${part(row.id)}`, { method: "PATCH", body }));
    if (done) toast(`${row.name} is ${done.enabled ? "enabled" : "disabled"}.`);
    await this.load();
  },

  async remove(row) {
    const sure = await confirm(`Delete the ${this.kind} ${row.name}?`, "Clients that ask for it are told that there is no such model.");
    if (!sure) return;
    const done = await telling(() => api(`${PLURALS[this.kind]}/${part(row.id)}`, { method: "DELETE" }));
    if (done === null) toast(`Deleted ${row.name}.`);
    await this.load();
  },
}));
