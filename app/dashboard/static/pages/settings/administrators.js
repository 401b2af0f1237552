// Who may use the dashboard.

import { LOADING, inPlace, loaded } from "../../inplace.js";
import { api, closeDialog, component, confirm, part, showDialog, telling, toast } from "../../relay.js";

const NOTHING = { isNew: true, name: "", role: "viewer", password: "", busy: false, fault: "", title: "", verb: "" };
const ROLES = { admin: "an admin", viewer: "a viewer" };

component("settingsAdministrators", () => ({
  ...LOADING,
  list: [],
  form: { ...NOTHING },

  init() { return this.load(); },

  async load() {
    const found = await loaded(this, () => api("administrators"));
    if (!found) return;
    this.list = found.administrators.map((each) => ({
      ...each,
      roleLabel: `Role of ${each.name}`,
      passwordLabel: `Give ${each.name} another password`,
      deleteLabel: `Delete ${each.name}`,
    }));
  },

  openNew() {
    this.form = { ...NOTHING, title: "Add an administrator", verb: "Add" };
    showDialog("administrator");
  },

  openPassword(each) {
    this.form = { ...NOTHING, isNew: false, name: each.name, title: `Another password for ${each.name}`, verb: "Set the password" };
    showDialog("administrator");
  },

  close() { closeDialog("administrator"); },

  async send() {
    const { isNew, name, role, password } = this.form;
    const ask = () => isNew
      ? api("administrators", { method: "POST", body: { name, role, password } })
      : api(`administrators/${part(name)}`, { method: "PATCH", body: { password } });
    if (!await inPlace(this.form, "busy", ask)) return;
    this.close();
    toast(isNew ? `${name} was added.` : `${name} has another password.`);
    await this.load();
  },

  async setRole(each, select) {
    const words = each.name !== this.$root.dataset.own
      ? `${each.name} may ${select.value === "admin" ? "change everything" : "only look"} from then on.`
      : "That is you: you may only look from then on, and another admin has to give you this role back.";
    const sure = await confirm(`Make ${each.name} ${ROLES[select.value]}?`, words, "Change the role");
    const changed = sure && await telling(() => api(`administrators/${part(each.name)}`, { method: "PATCH", body: { role: select.value } }));
    if (changed) {
      toast(`${each.name} is ${ROLES[changed.role]} now.`);
      each.role = changed.role;
    } else {
      select.value = each.role;
    }
  },

  async remove(each) {
    if (!await confirm(`Delete ${each.name}?`, "All sessions of this administrator end at once.")) return;
    await telling(async () => {
      await api(`administrators/${part(each.name)}`, { method: "DELETE" });
      toast(`${each.name} was deleted.`);
      await this.load();
    });
  },
}));
