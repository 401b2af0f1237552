// A router tried on calls of the log: what its definition, or a changed one, would have chosen.

import { count, percent, usd } from "../../format.js";
import { inPlace } from "../../inplace.js";
import { api, component, part } from "../../relay.js";
import { objectIn } from "../objects.js";

component("replay", () => ({
  model: null,
  definition: "",
  days: "30",
  most: "1000",
  name: "",
  ask: false,
  fault: "",
  running: false,
  cards: [],
  notes: [],
  chosen: [],
  elsewhere: [],

  get title() { return this.model?.name ?? ""; },
  get isDone() { return this.cards.length > 0; },
  get isElsewhere() { return this.elsewhere.length > 0; },
  get isChosen() { return this.chosen.length > 0; },

  open(event) {
    this.model = event.detail.model;
    this.definition = JSON.stringify(event.detail.definition, null, 2);
    this.cards = [];
    this.fault = "";
  },

  async run() {
    this.cards = [];
    let definition;
    try {
      definition = objectIn(this.definition);
    } catch (error) {
      this.fault = `The definition is no JSON object: ${error.message}`;
      return;
    }
    const body = { definition, days: Number(this.days), most: Number(this.most), name: this.name.trim() || null, ask: this.ask };
    const found = await inPlace(this, "running", () => api(`routers/${part(this.model.id)}/replay`, { method: "POST", body }));
    if (found) this.show(found);
  },

  show(found) {
    const told = found.chosen.reduce((sum, each) => sum + each.calls, 0);
    this.cards = [
      ["Calls", count(found.calls), found.cut ? "the newest; there are more" : ""],
      ["Decided", count(told), ""],
      ["Elsewhere", count(found.flips), `of ${count(found.compared)} whose model is known`],
      ["Cost before", usd(found.before), `of ${count(found.priced)} calls`],
      ["Cost after", usd(found.after), "with as many tokens"],
    ].map(([label, value, note]) => ({ label, value, note }));
    this.notes = notesOf(found);
    this.chosen = found.chosen.map((each) => ({ ...each, number: count(each.calls), share: percent(each.calls / told) }));
    this.elsewhere = found.elsewhere.map((each) => ({
      ...each, link: `/admin/requests/${part(each.id)}`, cost: `${usd(each.cost_before)} → ${usd(each.cost_after)}`,
    }));
  },
}));

function notesOf({ calls, untold, asked, fallbacks, designators }) {
  return [
    calls === 0 && "No call of these days came through this router: name what clients asked for, to try it on other calls.",
    untold > 0 && `${count(untold)} could not be told: what they asked was not kept. A token made to log bodies keeps it.`,
    asked > 0 && `For ${count(asked)} the designator would be asked, and was not.`,
    fallbacks > 0 && `${count(fallbacks)} would go to the fallback, as nothing could be chosen.`,
    Number(designators) > 0 && `The designator was asked, for ${usd(designators)}.`,
  ].filter(Boolean);
}
