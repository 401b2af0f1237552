// The form by which a provider is added or changed: what it has no field for is written as JSON.

import { closeDialog, showDialog } from "../../dialogs.js";
import { ApiError, api, part, toast } from "../../relay.js";
import { objectIn } from "../objects.js";

const FIELDS = ["name", "base_url", "api_key_env", "api_format", "supported_models", "headers"];
const EMPTY = { key: "", name: "", base_url: "", api_key_env: "", format: "openai", others: [], models: "", rest: "" };

/** Its state and what it does, for a page with the dialog `provider-form`; `saved` is called with the provider's key. */
export function providerForm(saved) {
  return {
    ...EMPTY,
    headers: [],
    opened: { host: "", keys: "" },
    isNew: true,
    isOfFile: false,
    isElsewhere: false,
    saving: false,
    errors: {},
    fault: "",

    get title() { return this.isNew ? "Add a provider" : `Edit ${this.key}`; },

    /** Open it for a new one. */
    add(format = "openai", base_url = "") {
      this.fill({ ...EMPTY, format, base_url }, {}, { isNew: true, isOfFile: false });
    },

    /** Open it with what is known of `key`, which config.json defines, or which was added. */
    async edit(key, isOfFile) {
      const entry = await api(`providers/${part(key)}/definition`);
      const [format = "openai", ...others] = listOf(entry.api_format);
      const known = {
        key, format, others,
        name: entry.name ?? "",
        base_url: entry.base_url ?? "",
        api_key_env: listOf(entry.api_key_env).join(", "),
        models: (entry.supported_models ?? []).join("\n"),
      };
      const rest = Object.fromEntries(Object.entries(entry).filter(([name]) => !FIELDS.includes(name)));
      known.rest = Object.keys(rest).length ? JSON.stringify(rest, null, 2) : "";
      this.fill({ ...EMPTY, ...known }, entry.headers ?? {}, { isNew: false, isOfFile });
    },

    fill(fields, headers, kind) {
      const opened = { host: hostOf(fields.base_url), keys: fields.api_key_env };
      Object.assign(this, fields, kind, { opened, isElsewhere: false, errors: {}, fault: "" });
      this.headers = Object.entries(headers).map(([name, value], id) => ({ id, name, value }));
      showDialog("provider-form");
    },

    close() { closeDialog("provider-form"); },
    addHeader() { this.headers.push({ id: Date.now(), name: "", value: "" }); },
    dropHeader(header) { this.headers = this.headers.filter((each) => each.id !== header.id); },

    /** The address is another: a key is for the host that it was made for, until somebody says that it is for this one too. */
    moved() {
      const isElsewhere = !this.isNew && hostOf(this.base_url) !== this.opened.host;
      if (isElsewhere !== this.isElsewhere) this.api_key_env = isElsewhere ? "" : this.opened.keys;
      this.isElsewhere = isElsewhere;
    },

    /** For `aria-invalid`, which is not there where nothing is wrong. */
    isWrong(field) { return this.errors[field] ? "true" : null; },

    async save() {
      this.errors = {};
      this.fault = "";
      const definition = this.definition();
      if (!definition) return;
      this.saving = true;
      try {
        if (this.isNew) await api("providers", { method: "POST", body: { key: this.key.trim(), definition } });
        else await api(`providers/${part(this.key)}`, { method: "PUT", body: definition });
        this.close();
        toast(`${this.key} is saved; all workers have it within two seconds.`);
        await saved(this.key);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.tell(error);
      } finally {
        this.saving = false;
      }
    },

    /** As the configuration has it; null where the JSON is none. */
    definition() {
      let rest;
      try {
        rest = objectIn(this.rest);
      } catch (error) {
        this.errors.rest = `This is no JSON object: ${error.message}`;
        return null;
      }
      const keys = wordsOf(this.api_key_env, ",");
      const models = wordsOf(this.models, "\n");
      const headers = this.headers.filter((each) => each.name.trim());
      return {
        ...rest,
        base_url: this.base_url.trim(),
        api_format: [this.format, ...this.others.filter((each) => each !== this.format)],
        ...(this.name.trim() && { name: this.name.trim() }),
        ...(keys.length && { api_key_env: keys }),
        ...(models.length && { supported_models: models }),
        ...(headers.length && { headers: Object.fromEntries(headers.map((each) => [each.name.trim(), each.value])) }),
      };
    },

    /** Put each fault at its field: the API writes one a line, its place first. */
    tell(error) {
      if (error.status === 409) {
        this.errors.key = error.message;
        return;
      }
      for (const line of error.message.split("\n")) {
        const [place, ...words] = line.split(": ");
        // What is no word is quoted.
        const field = place === this.key.trim() || place.startsWith("[") ? "key" : /^[a-z_]*/.exec(place)[0];
        if (!words.length) this.fault = line;
        else if (field === "key" || FIELDS.includes(field)) this.errors[field] = `${place}: ${words.join(": ")}`;
        else this.errors.rest = this.errors.rest ? `${this.errors.rest}; ${line}` : line;
      }
    },
  };
}

function hostOf(address) {
  return URL.canParse(address) ? new URL(address).origin : "";
}

function listOf(value) {
  return Array.isArray(value) ? value : value ? [value] : [];
}

function wordsOf(text, separator) {
  return text.split(separator).map((each) => each.trim()).filter(Boolean);
}
