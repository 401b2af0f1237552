import "../relay.js";
import { api, component, confirm, part, telling, toast } from "../relay.js";
import { NONE, count } from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { follow } from "../feed.js";
import { providerForm } from "./providers/form.js";
import { doing, shown } from "./providers/shown.js";

component("providers", () => ({
  ...LOADING,
  testingAll: false,
  providers: [],
  words: "",
  form: null,
  told: null,
  leave: null,

  get found() {
    const words = this.words.trim().toLowerCase();
    return this.providers.filter((each) => `${each.key} ${each.name} ${each.base_url}`.toLowerCase().includes(words));
  },
  get readyOnes() { return this.providers.filter((each) => each.state === "ready"); },
  get noneFound() { return !this.loading && !this.loadFault && this.found.length === 0; },
  get isKnown() { return this.providers.length > 0; },
  get readyText() { return this.isKnown ? `${this.readyOnes.length} of ${this.providers.length}` : NONE; },
  get keyless() { return this.counted((each) => each.stateWord === "no key"); },
  get off() { return this.counted((each) => each.isOff); },
  get models() { return count(this.isKnown ? this.readyOnes.reduce((sum, each) => sum + (each.models ?? 0), 0) : null); },

  counted(isOne) { return count(this.isKnown ? this.providers.filter(isOne).length : null); },

  async init() {
    this.form = providerForm(() => this.load());
    this.leave = follow((told) => this.hear(told));
    await this.load();
  },

  destroy() { this.leave(); },

  /** What all workers tell of targets and providers. */
  hear(told) {
    this.told = told;
    for (const each of this.providers) Object.assign(each, doing(each, told));
  },

  async load() {
    const list = await loaded(this, () => api("providers"));
    if (list) this.providers = list.providers.map((each) => shown(each, this.told));
  },

  async test(provider) {
    provider.testing = true;
    const trial = await telling(() => api(`providers/${part(provider.key)}/test`, { method: "POST" }));
    provider.testing = false;
    if (!trial) return;
    const fresh = await telling(() => api(`providers/${part(provider.key)}`));
    Object.assign(provider, shown({ ...(fresh ?? provider), trial }, this.told));
  },

  async testAll() {
    this.testingAll = true;
    await Promise.all(this.readyOnes.map((each) => this.test(each)));
    this.testingAll = false;
  },

  async turn(provider) {
    const done = provider.switched_off ? "enable" : "disable";
    const words = "No worker sends a call to it any more: those that have no other target are refused. It can be enabled again here.";
    if (done === "disable" && !(await confirm(`Disable ${provider.key}?`, words, "Disable"))) return;
    const changed = await telling(() => api(`providers/${part(provider.key)}/${done}`, { method: "POST" }));
    if (!changed) return;
    Object.assign(provider, shown(changed, this.told));
    toast(changed.switched_off ? `${provider.key} is used no more, by any worker.` : `${provider.key} is used again.`);
  },

  add() { this.form.add(); },
  edit(provider) { telling(() => this.form.edit(provider.key, provider.source === "config")); },

  async reset(provider) {
    const text = provider.isGone
      ? "config.json has no entry of it any more, so that the change does nothing. It is forgotten, and the provider is listed no more."
      : "What was changed of it here is forgotten, and its entry in config.json counts again, in all workers.";
    const question = provider.isGone ? `Forget the change of ${provider.key}?` : `Take ${provider.key} back to config.json?`;
    if (!(await confirm(question, text, provider.resetWord))) return;
    await telling(async () => {
      await api(`providers/${part(provider.key)}/reset`, { method: "POST" });
      toast(provider.isGone ? `The change of ${provider.key} is forgotten.` : `${provider.key} is as config.json says.`);
      await this.load();
    });
  },

  async remove(provider) {
    const text = "Names that lead to its models lead nowhere then. What was said of its models stays, and so do its calls in the records.";
    if (!(await confirm(`Delete the provider ${provider.key}?`, text))) return;
    await telling(async () => {
      await api(`providers/${part(provider.key)}`, { method: "DELETE" });
      this.providers = this.providers.filter((each) => each.key !== provider.key);
      toast(`${provider.key} is deleted.`);
    });
  },
}));
