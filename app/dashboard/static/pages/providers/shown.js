// What the page says of a provider: what keeps it from being used, and how it does at all workers.

import { part } from "../../relay.js";
import { counted, duration, since } from "../../format.js";

/** A provider with what the page says of it; `told` is of all workers, null while they have told nothing. */
export function shown(provider, told) {
  const [word, ...more] = provider.state.split(": ");
  const isDefined = ["config", "added"].includes(provider.source);
  return {
    ...provider,
    testing: false,
    stateWord: word,
    stateMore: more.join(": "),
    stateKind: { ready: "good", "no key": "warning", "cannot be used": "critical" }[word] ?? "",
    isOff: provider.switched_off || provider.state === "disabled",
    isAdded: provider.source === "added",
    isGone: provider.source === "gone",
    canEdit: isDefined,
    changesText: provider.changes.join(", "),
    canTurn: isDefined && (provider.switched_off || provider.state !== "disabled"),
    turnWord: provider.switched_off ? "Enable" : "Disable",
    sourceWord: { config: "config.json", added: "added here", "built in": "built in", gone: "was in config.json" }[provider.source],
    resetWord: provider.source === "gone" ? "Forget the change" : "Back to config.json",
    formats: provider.api_format.join(", "),
    keys: provider.api_key_env.length ? provider.api_key_env.join(" or ") : "",
    modelCount: provider.models === null ? "not known yet" : counted(provider.models, "model"),
    modelsLink: `/admin/models?provider=${part(provider.key)}`,
    ...doing(provider, told),
  };
}

/** How it does: what a worker was told when it asked it last, and its models that were called. */
export function doing(provider, told) {
  const targets = told?.targets.filter((each) => each.provider === provider.key) ?? [];
  const broken = targets.filter((each) => each.state !== "closed");
  return {
    reached: reachedOf(latest(provider.trial, told?.providers.find((each) => each.provider === provider.key))),
    calledText: targets.length ? `${counted(targets.length, "model")} called` : "",
    calledKind: broken.length ? "critical" : "good",
    calledWord: broken.length ? `${broken.length} left alone` : "all well",
    called: targets.map(breakerOf),
  };
}

function latest(one, other) {
  if (!one || !other) return one ?? other;
  return one.at && new Date(other.at) > new Date(one.at) ? other : one; // who was not asked just now has no time
}

function reachedOf(trial) {
  if (!trial) return { kind: "", word: "not asked yet", more: "" };
  const when = trial.at ? `${since(trial.at)}, ${duration(trial.ms)}` : "";
  return { kind: trial.ok ? "good" : "critical", word: trial.ok ? "answers" : "does not answer as it should", more: trial.words, when };
}

function breakerOf(health) {
  const left = health.state === "open" ? `, tried again in ${Math.ceil(health.retry_s)} s` : "";
  const byte = health.first_byte_ms === null ? "" : `, first byte after ${duration(health.first_byte_ms)}`;
  const key = health.key > 1 ? ` (key ${health.key})` : "";
  return {
    id: `${health.model} ${health.key}`,
    model: `${health.model}${key}`,
    kind: health.state === "closed" ? "good" : health.state === "open" ? "critical" : "warning",
    state: { closed: "well", open: "left alone", "half-open": "being tried" }[health.state],
    text: `${counted(health.calls, "call")}, ${counted(health.failures, "failure")}${byte}${left}`,
  };
}
