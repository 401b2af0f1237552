import "../relay.js";
import { api, component, confirm, keepInAddress, readAddress, telling, toast, part } from "../relay.js";
import { NONE, count } from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { descriptionSync } from "./models/description_sync.js";
import { modelEditor } from "./models/editor.js";
import { priceEditor } from "./models/price.js";
import { priceSync } from "./models/price_sync.js";

const PAGE = 50;

component("models", () => ({
  ...LOADING,
  models: [],
  providers: [],
  total: 0,
  offset: 0,
  words: "",
  provider: "",
  editor: null,
  price: null,
  prices: null,
  descriptions: null,

  get isEmpty() { return !this.loading && !this.loadFault && this.models.length === 0; },
  get hasModels() { return !this.loadFault && this.models.length > 0; },
  get isFiltered() { return this.words !== "" || this.provider !== ""; },
  get range() { return `${count(this.offset + 1)}–${count(this.offset + this.models.length)} of ${count(this.total)}`; },
  get hasEarlier() { return this.offset > 0; },
  get hasLater() { return this.offset + this.models.length < this.total; },

  async init() {
    const said = readAddress();
    this.words = said.q?.[0] ?? "";
    this.offset = Number(said.offset?.[0] ?? 0) || 0;
    this.editor = modelEditor(() => this.load());
    this.price = priceEditor(() => this.load());
    this.prices = priceSync(() => this.load());
    this.descriptions = descriptionSync(() => this.load());
    const list = await telling(() => api("providers"));
    this.providers = (list?.providers ?? []).map(({ key, name }) => ({ key, name }));
    // A choice can be made when it is there.
    await this.$nextTick();
    this.provider = said.provider?.[0] ?? "";
    await this.load();
  },

  async load() {
    keepInAddress({ q: this.words, provider: this.provider, offset: this.offset || "" });
    const query = { q: this.words, provider: this.provider, offset: this.offset, limit: PAGE };
    const page = await loaded(this, () => api("models", { query }));
    if (!page) return;
    this.models = page.models.map(shown);
    this.total = page.total;
  },

  find() { this.offset = 0; return this.load(); },
  earlier() { this.offset = Math.max(0, this.offset - PAGE); return this.load(); },
  later() { this.offset += PAGE; return this.load(); },

  add() { this.editor.add(this.provider || this.providers[0]?.key); },
  edit(model) { telling(() => this.editor.edit(model)); },
  editPrice(model) { telling(() => this.price.edit(model)); },

  async turn(model) {
    const turnsOff = model.enabled && model.listed;
    const words = "No client is offered it any more, and calls of it are refused. It can be switched on again here.";
    if (turnsOff && !(await confirm(`Switch ${model.id} off?`, words, "Switch off"))) return;
    // One that its provider does not list is offered only where somebody says so.
    const body = { enabled: turnsOff ? false : model.listed ? null : true };
    const done = await telling(() => api(`models/${part(model.provider)}/${part(model.model)}`, { method: "PATCH", body }));
    if (!done) return;
    toast(turnsOff ? `${model.id} is offered no more.` : `${model.id} is offered again.`);
    await this.load();
  },
}));

/** A model with what the page says of it. */
function shown(model) {
  const isOffered = model.enabled && model.listed;
  return {
    ...model,
    context: count(model.context_length),
    output: count(model.max_output_tokens),
    can: model.capabilities ?? [],
    input_usd: usdOf(model.price.input),
    output_usd: usdOf(model.price.output),
    by: model.price.source ?? "",
    stateWord: !model.enabled ? "switched off" : !model.listed ? "not listed" : model.added ? "added" : "offered",
    stateKind: isOffered ? "good" : "",
    turnWord: isOffered ? "Switch off" : "Switch on",
    isChanged: model.said !== null,
    whoSays: whoSays(model.origins),
  };
}

/** "context by the provider, family by the name" would fill a table: it is told for each who says something. */
function whoSays(origins) {
  const who = [...new Set(Object.values(origins))];
  return who.length ? `Known by: ${who.join(", ")}` : "";
}

function usdOf(text) {
  return text === null ? NONE : `$${text}`;
}
