import "../relay.js";
import { api, component, confirm, part, telling, toast } from "../relay.js";
import { count, counted, duration, since } from "../format.js";
import { providerForm } from "./providers/form.js";

component("providers", () => ({
  loading: true,
  testingAll: false,
  providers: [],
  words: "",
  form: null,

  get found() {
    const words = this.words.trim().toLowerCase();
    return this.providers.filter((each) => `${each.key} ${each.name} ${each.base_url}`.toLowerCase().includes(words));
  },
  get readyOnes() { return this.providers.filter((each) => each.state === "ready"); },
  get noneFound() { return !this.loading && this.found.length === 0; },
  get readyText() { return `${this.readyOnes.length} of ${this.providers.length}`; },
  get keyless() { return count(this.providers.filter((each) => each.stateWord === "no key").length); },
  get off() { return count(this.providers.filter((each) => each.isOff).length); },
  get models() { return count(this.readyOnes.reduce((sum, each) => sum + (each.models ?? 0), 0)); },

  async init() {
    this.form = providerForm(() => this.load());
    await this.load();
  },

  async load() {
    this.loading = true;
    const list = await telling(() => api("providers"));
    if (list) this.providers = list.providers.map(shown);
    this.loading = false;
  },

  async test(provider) {
    provider.testing = true;
    const trial = await telling(() => api(`providers/${part(provider.key)}/test`, { method: "POST" }));
    provider.testing = false;
    if (!trial) return;
    const fresh = await telling(() => api(`providers/${part(provider.key)}`));
    Object.assign(provider, shown({ ...(fresh ?? provider), trial }));
  },

  async testAll() {
    this.testingAll = true;
    await Promise.all(this.readyOnes.map((each) => this.test(each)));
    this.testingAll = false;
  },

  async turn(provider) {
    const done = provider.switched_off ? "enable" : "disable";
    const changed = await telling(() => api(`providers/${part(provider.key)}/${done}`, { method: "POST" }));
    if (!changed) return;
    Object.assign(provider, shown(changed));
    toast(changed.switched_off ? `${provider.key} is used no more, by any worker.` : `${provider.key} is used again.`);
  },

  add() { this.form.add(); },
  edit(provider) { telling(() => this.form.edit(provider.key, provider.source === "config")); },

  async reset(provider) {
    const text = "What was changed of it here is forgotten, and its entry in config.json counts again, in all workers.";
    if (!(await confirm(`Take ${provider.key} back to config.json?`, text, "Back to config.json"))) return;
    await telling(async () => {
      await api(`providers/${part(provider.key)}/reset`, { method: "POST" });
      toast(`${provider.key} is as config.json says.`);
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

/** A provider with what the page says of it. */
function shown(provider) {
  const [word, ...more] = provider.state.split(": ");
  const broken = provider.breakers.filter((each) => each.state !== "closed");
  return {
    ...provider,
    testing: false,
    stateWord: word,
    stateMore: more.join(": "),
    stateKind: { ready: "good", "no key": "warning", "cannot be used": "critical" }[word] ?? "",
    isOff: provider.switched_off || provider.state === "disabled",
    isAdded: provider.source === "added",
    canEdit: provider.source !== "built in",
    changesText: provider.changes.join(", "),
    canTurn: provider.source !== "built in" && (provider.switched_off || provider.state !== "disabled"),
    turnWord: provider.switched_off ? "Enable" : "Disable",
    sourceWord: { config: "config.json", added: "added here", "built in": "built in" }[provider.source],
    formats: provider.api_format.join(", "),
    keys: provider.api_key_env.length ? provider.api_key_env.join(" or ") : "",
    modelCount: provider.models === null ? "not known yet" : counted(provider.models, "model"),
    modelsLink: `/admin/models?provider=${part(provider.key)}`,
    reached: reachedOf(provider.trial),
    calledText: provider.breakers.length ? `${counted(provider.breakers.length, "model")} called` : "",
    calledKind: broken.length ? "critical" : "good",
    calledWord: broken.length ? `${broken.length} left alone` : "all well",
    called: provider.breakers.map(breakerOf),
  };
}

function reachedOf(trial) {
  if (!trial) return { kind: "", word: "not asked yet", more: "" };
  const when = trial.at ? `${since(trial.at)}, ${duration(trial.ms)}` : "";
  return { kind: trial.ok ? "good" : "critical", word: trial.ok ? "answers" : "does not answer as it should", more: trial.words, when };
}

function breakerOf(health) {
  const left = health.state === "open" ? `, tried again in ${Math.ceil(health.retry_s)} s` : "";
  const byte = health.first_byte_s === null ? "" : `, first byte after ${duration(health.first_byte_s * 1000)}`;
  const key = health.key_number > 1 ? ` (key ${health.key_number})` : "";
  return {
    id: `${health.model} ${health.key_number}`,
    model: `${health.model}${key}`,
    kind: health.state === "closed" ? "good" : health.state === "open" ? "critical" : "warning",
    state: { closed: "well", open: "left alone", "half-open": "being tried" }[health.state],
    text: `${counted(health.calls, "call")}, ${counted(health.failures, "failure")}${byte}${left}`,
  };
}
