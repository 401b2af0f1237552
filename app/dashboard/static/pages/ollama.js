import "../relay.js";
import { api, component, confirm, part, telling, toast } from "../relay.js";
import { bytes, count, list, since } from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { pullOf } from "./ollama/pull.js";
import { providerForm } from "./providers/form.js";

const USUAL_ADDRESS = "http://127.0.0.1:11434";

component("ollama", () => ({
  ...LOADING,
  servers: [],
  form: null,

  get isEmpty() { return !this.loading && !this.loadFault && this.servers.length === 0; },

  async init() {
    this.form = providerForm(() => this.load());
    await this.load();
  },

  async load() {
    const said = await loaded(this, () => api("providers"));
    if (!said) return;
    const local = said.providers.filter((each) => each.api_format.includes("ollama"));
    // What is being pulled goes on while others are looked at.
    const before = new Map(this.servers.map((each) => [each.key, each]));
    this.servers = local.map((each) => ({ ...serverOf(each), pull: before.get(each.key)?.pull ?? pullOf(each.key) }));
    await Promise.all(this.servers.map((each) => this.look(each)));
  },

  /** Ask a server for what it has; `how` is "refresh" to have all workers ask it too. */
  async look(server, how = "") {
    server.busy = true;
    try {
      const path = `ollama/${part(server.key)}`;
      fill(server, how ? await api(`${path}/${how}`, { method: "POST" }) : await api(path));
    } catch (error) {
      if (error.status === undefined) throw error;
      Object.assign(server, { kind: "critical", state: "away", fault: error.message, models: [], version: "" });
    } finally {
      server.busy = false;
    }
  },

  refresh(server) { return this.look(server, "refresh"); },

  async pull(server) {
    if (await server.pull.run()) {
      toast(`${server.pull.model} is there, and can be called.`);
      server.pull.model = "";
    }
    await this.look(server);
  },

  async remove(server, model) {
    const text = `${model.size} are freed on the disk of ${server.name}. To have it again, it is pulled again.`;
    if (!(await confirm(`Delete ${model.name}?`, text))) return;
    const path = `ollama/${part(server.key)}/models/${part(model.name)}`;
    await telling(async () => {
      await api(path, { method: "DELETE" });
      toast(`${model.name} is deleted.`);
    });
    await this.look(server);
  },

  add() { this.form.add("ollama", USUAL_ADDRESS); },
  edit(server) { telling(() => this.form.edit(server.key, !server.isAdded)); },

  async forget(server) {
    const text = "The server itself and its models stay as they are; only the gateway uses it no more.";
    if (!(await confirm(`Remove ${server.name}?`, text, "Remove"))) return;
    await telling(async () => {
      await api(`providers/${part(server.key)}`, { method: "DELETE" });
      this.servers = this.servers.filter((each) => each.key !== server.key);
      toast(`${server.name} is removed.`);
    });
  },
}));

function serverOf(provider) {
  return {
    key: provider.key,
    name: provider.name,
    tableLabel: `Models of ${provider.name}`,
    address: provider.base_url,
    isAdded: provider.source === "added",
    busy: false,
    kind: "",
    state: "being asked",
    fault: "",
    version: "",
    models: [],
    summary: "",
  };
}

function fill(server, inventory) {
  const size = inventory.models.reduce((sum, each) => sum + (each.size_bytes ?? 0), 0);
  Object.assign(server, {
    kind: "good", state: "runs", fault: "", version: inventory.version,
    models: inventory.models.map(modelOf),
    summary: `${count(inventory.models.length)} models, ${bytes(size)}`,
  });
}

function modelOf(model) {
  return {
    name: model.name,
    size: bytes(model.size_bytes),
    facts: list([model.parameters, model.family].filter(Boolean)),
    quantisation: model.quantisation ?? "–",
    modified: model.modified ? since(model.modified) : "–",
    loaded: model.loaded_bytes === null ? "" : `in memory: ${bytes(model.loaded_bytes)}`,
  };
}
