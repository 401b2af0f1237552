// What happens now: the calls under way at all workers, told by the gateway as it changes, and how the targets are doing.

import { follow } from "../../feed.js";
import { compact, count, duration, percent } from "../../format.js";
import { api, component, confirm, part, telling, toast } from "../../relay.js";

const STATES = {
  closed: ["good", "answers"],
  "half-open": ["warning", "is tried again"],
  open: ["critical", "left alone"],
};

component("live", () => ({
  waiting: true,
  told: false,
  calls: [],
  targets: [],
  more: "",
  now: Date.now(),
  ahead: 0,
  state: { kind: "", text: "…" },
  clock: null,
  leave: null,

  get isIdle() { return this.told && this.calls.length === 0; },
  get isUnused() { return this.told && this.targets.length === 0; },

  init() {
    this.clock = setInterval(() => { this.now = Date.now(); }, 1000);
    this.leave = follow((told) => this.show(told), (isOver) => this.lose(isOver));
  },

  destroy() {
    clearInterval(this.clock);
    this.leave();
  },

  lose(isOver) {
    this.waiting = false;
    this.told = false;
    this.state = isOver ? { kind: "critical", text: "ended: load this page again" } : { kind: "warning", text: "connecting again" };
  },

  show(told) {
    this.waiting = false;
    this.told = true;
    this.now = Date.now();
    this.ahead = this.now - new Date(told.at); // the viewer's clock before the gateway's
    this.calls = told.calls;
    this.targets = told.targets.map(targetOf);
    this.more = told.count > told.calls.length ? `The oldest ${count(told.calls.length)} of ${count(told.count)} calls.` : "";
    this.state = { kind: told.count ? "good" : "", text: told.count ? `${count(told.count)} under way` : "none" };
  },

  target(call) { return call.provider ? `${call.provider}/${call.model}` : "not chosen yet"; },
  kind(call) { return call.streamed ? "stream" : "whole"; },
  age(call) {
    const seconds = Math.max(0, Math.floor((this.now - this.ahead - new Date(call.started)) / 1000));
    return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  },
  stopLabel(call) { return `Stop ${call.name} of ${call.username}`; },

  tokens(call) {
    if (!call.answering) return "waits";
    return `${call.estimated ? "about " : ""}${compact(call.completion_tokens)}`;
  },

  async stop(call) {
    const text = `${call.name}, asked by ${call.username}: the client is told that an administrator stopped it. What it used up to now is charged.`;
    if (!await confirm("Stop this call?", text, "Stop it")) return;
    const done = await telling(() => api(`live/${part(call.id)}/stop`, { method: "POST" }));
    if (done) toast("The call ends.");
  },
}));

function targetOf(each) {
  const [badge, words] = STATES[each.state];
  const again = each.retry_s ? ` for ${duration(1000 * each.retry_s)}` : "";
  return {
    ...each,
    id: `${each.provider}/${each.model}#${each.key}`,
    keyText: `key ${each.key}`,
    badge,
    words: words + again,
    failed: each.calls ? `${count(each.failures)} (${percent(each.failures / each.calls)})` : "0",
  };
}
