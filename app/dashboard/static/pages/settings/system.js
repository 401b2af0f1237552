// The gateway itself.

import { LOADING, loaded } from "../../inplace.js";
import { api, component } from "../../relay.js";
import { bytes, count, counted, since, time } from "../../format.js";

component("settingsSystem", () => ({
  ...LOADING,
  system: null,
  caches: {},

  init() { return this.load(); },

  async load() {
    const found = await loaded(this, () => Promise.all([api("system"), api("chroma/status")]));
    if (found) [this.system, this.caches] = found;
  },

  get collections() { return this.caches.collections ?? []; },

  get gateway() {
    if (!this.system) return [];
    const { version, python, platform, started, worker, workers, counts } = this.system;
    return facts({
      Version: `LLM Relay ${version}`,
      Python: python,
      Platform: platform,
      Started: `${time(started)} (${since(started)})`,
      Workers: `${count(workers)} on this machine; process ${worker} answered`,
      Providers: `${count(counts.configured)} of ${count(counts.providers)} can be used`,
      Models: `${count(counts.active)} of ${count(counts.models)} are switched on`,
      Tokens: count(counts.tokens),
    });
  },

  get data() {
    if (!this.system) return [];
    const { database, disk, journal } = this.system;
    return facts({
      Database: database.server,
      Where: database.where,
      Size: bytes(database.bytes),
      Schema: database.schema_revision ?? "none",
      "Not written yet": `${bytes(journal.bytes)} of at most ${bytes(journal.limit)}`,
      "Data folder": disk.folder,
      "Disk, free": `${bytes(disk.free)} of ${bytes(disk.total)}`,
    });
  },

  get store() {
    const { configured, url, prefix } = this.caches;
    if (!url) return [];
    const held = this.collections.map((each) => [each.cache ?? each.name, counted(each.entries, "entry", "entries")]);
    return facts({ [configured ? "Chroma" : "File"]: url, ...(configured ? { Prefix: prefix } : {}), ...Object.fromEntries(held) });
  },

  get pages() {
    return facts(Object.fromEntries(Object.entries(this.system?.pages ?? {}).map(([name, there]) => [name, there ? "installed" : "missing: run make setup"])));
  },
}));

const facts = (values) => Object.entries(values).map(([name, value]) => ({ name, value }));
