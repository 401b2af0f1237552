// The way that a request would go, told step by step; nothing is sent to a provider.

import { usd } from "../../format.js";
import { inPlace } from "../../inplace.js";
import { api, component } from "../../relay.js";
import { objectIn } from "../objects.js";

const DEEPEST = 8;

component("explainer", () => ({
  name: "",
  message: "Hello",
  token: "",
  raw: "",
  tokens: [],
  resolved: "",
  steps: [],
  fault: "",
  asking: false,

  get isAnswered() { return this.steps.length > 0; },

  async open(event) {
    if (event.detail.name) this.name = event.detail.name;
    this.tokens = await api("tokens").then((found) => found.tokens, () => []);
    if (event.detail.name) await this.ask();
  },

  async ask() {
    this.steps = [];
    let request;
    try {
      request = this.request();
    } catch (error) {
      this.fault = `The request is no JSON object: ${error.message}`;
      return;
    }
    const body = { request, token_id: this.token || null };
    const found = await inPlace(this, "asking", () => api("names/explain", { method: "POST", body }));
    if (!found) return;
    this.resolved = found.resolved;
    this.steps = [...steps(found.way, 0, false)];
  },

  request() {
    const request = this.raw.trim() ? objectIn(this.raw) : { messages: [{ role: "user", content: this.message }] };
    return this.name.trim() ? { ...request, model: this.name.trim() } : request;
  },
}));

/** The tree as lines, each with its depth. */
function* steps(way, depth, isOther) {
  yield {
    style: `depth-${Math.min(depth, DEEPEST)}`,
    other: isOther ? "or" : "",
    name: way.name,
    title: way.kind === null ? "" : way.smart_model === null ? way.kind : `${way.kind} ${way.smart_model}`,
    notes: way.notes,
    asks: way.asks,
    candidates: way.candidates.map(({ model, reason }) => ({
      model, words: reason === null ? "may be chosen" : `out: ${reason}`, style: reason === null ? "good" : "warning",
    })),
    targets: way.targets.map(({ provider, model, price }) => ({ name: `${provider}/${model}`, price: priced(price) })),
    error: way.error ?? "",
  };
  for (const [index, each] of way.leads_to.entries()) yield* steps(each, depth + 1, index > 0);
}

function priced(price) {
  const { input, output } = price;
  if ((input ?? null) === null && (output ?? null) === null) return "no price is known";
  return `${usd(input)} in, ${usd(output)} out, per million tokens`;
}
