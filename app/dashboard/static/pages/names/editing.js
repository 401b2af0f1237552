// The form by which a smart model is made or changed: its fields come from the API, and are validated while one types.

import { api, closeDialog, component, part, role, showDialog, telling, toast } from "../../relay.js";
import { definitionOf, fieldOf, placeFaults, rowOf } from "./fields.js";
import { PLURALS, tell } from "./kinds.js";

const PAUSE_MS = 400;

component("nameForm", () => ({
  kind: "alias",
  model: null,
  fields: [],
  groups: [],
  forms: null,
  names: [],
  models: [],
  rest: [],
  warnings: [],
  isComplete: false,
  saving: false,

  get title() { return this.model ? `${this.isViewer ? "The" : "Edit the"} ${this.kind} ${this.model.name}` : `New ${this.kind}`; },
  get isViewer() { return role !== "admin"; },
  get isTried() { return !this.isViewer && this.kind === "router" && this.model !== null; },

  async open(event) {
    const forms = await telling(() => this.load());
    if (!forms) return;
    this.kind = event.detail.kind;
    this.model = event.detail.model;
    this.fields = forms[this.kind].map((setting) => fieldOf(setting, this.model?.[setting.name]));
    this.groups = [...new Set(this.fields.map((field) => field.group))].map((title) => ({
      title, isFolded: title === "Advanced", fields: this.fields.filter((field) => field.group === title),
    }));
    this.rest = [];
    this.warnings = [];
    this.isComplete = false;
    showDialog("name-form");
    if (this.model && !this.isViewer) await this.validate();
  },

  async load() {
    this.forms ??= await api("names/forms");
    const [models, ...named] = await Promise.all([
      api("models", { query: { limit: 500 } }), ...Object.values(PLURALS).map((plural) => api(plural)),
    ]);
    this.models = ["local", ...models.models.map((each) => `${each.provider}/${each.model}`)];
    this.names = [...named.flatMap((found) => Object.values(found)[0].map((each) => each.name)), ...this.models.slice(1)];
    return this.forms;
  },

  close() { closeDialog("name-form"); },

  isShown(field) {
    return Object.entries(field.only_where).every(([name, values]) =>
      values.includes(this.fields.find((other) => other.name === name)?.value));
  },

  touch(field) {
    field.touched = true;
    this.later();
  },

  add(field) {
    field.rows.push(rowOf(field));
    this.touch(field);
  },

  drop(field, row) {
    field.rows = field.rows.filter((each) => each !== row);
    this.touch(field);
  },

  raise(field, index) {
    if (index === 0) return;
    const [row] = field.rows.splice(index, 1);
    field.rows.splice(index - 1, 0, row);
    this.later();
  },

  later() {
    clearTimeout(this.waiting);
    if (!this.isViewer) this.waiting = setTimeout(() => this.validate(), PAUSE_MS);
  },

  /** Have the API look at what stands there; the latest answer counts. */
  async validate() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    const { signal } = (this.asking = new AbortController());
    const query = { replaces: this.model?.id };
    const body = definitionOf(this.fields);
    const found = await telling(() => api(`${PLURALS[this.kind]}/validate`, { method: "POST", body, query, signal }));
    if (!found || signal.aborted) return false;
    const lines = found.conflicts_with ? found.faults.map((words) => `name: ${words}`) : found.faults;
    this.rest = placeFaults(this.fields, lines, this.isComplete).filter(() => this.isComplete || this.model);
    this.warnings = found.warnings;
    return found.valid;
  },

  async save() {
    this.isComplete = true;
    this.saving = true;
    if (await this.validate()) {
      const [path, method] = this.model ? [`${PLURALS[this.kind]}/${part(this.model.id)}`, "PUT"] : [PLURALS[this.kind], "POST"];
      const saved = await telling(() => api(path, { method, body: definitionOf(this.fields) }));
      if (saved) {
        toast(`${this.model ? "Changed" : "Added"} ${saved.name}.`);
        this.close();
        tell("name-saved", {});
      }
    } else {
      this.$nextTick(() => this.showFaults());
    }
    this.saving = false;
  },

  /** Open the folds that hold a fault, and go to the first. */
  showFaults() {
    const dialog = this.$root;
    for (const fault of dialog.querySelectorAll("details .fault")) if (fault.textContent) fault.closest("details").open = true;
    dialog.querySelector("[aria-invalid=true]")?.focus();
  },

  tryOut() {
    this.close();
    tell("name-try", { model: this.model, definition: definitionOf(this.fields) });
  },
}));
