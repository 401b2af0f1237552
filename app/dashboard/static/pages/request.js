import { api, component, copy, part, telling } from "../relay.js";
import * as format from "../format.js";
import { timelineOf } from "./request/timeline.js";
import { badgeOf, modelOf } from "./requests/words.js";
import { classesOf } from "./usage/classes.js";

component("request", () => ({
  loading: true,
  id: decodeURIComponent(location.pathname.split("/").at(-1)),
  error: "",
  request: null,
  helpers: [],
  hostname: null,
  costs: {},
  hasBodies: false,
  bodies: null,

  async init() {
    try {
      const story = await api(`usage/requests/${part(this.id)}`);
      this.request = story.request;
      this.helpers = story.helpers;
      this.hostname = story.hostname;
      this.costs = story.cost_by_class;
      this.hasBodies = story.has_bodies;
    } catch (error) {
      this.error = error.message;
    }
    this.loading = false;
  },

  get badge() { return badgeOf(this.request); },
  get model() { return modelOf(this.request); },
  get timeline() { return timelineOf(this.request, this.helpers); },
  get classes() { return classesOf(this.request); },
  get hasCosts() { return Object.keys(this.costs).length > 0; },
  get failures() { return this.request.failures.map((each, number) => ({ ...each, number: number + 1 })); },
  get parentLink() { return `/admin/requests/${part(this.request.parent_id ?? "")}`; },
  get modelLink() { return `/admin/requests?models=${part(this.model)}`; },
  get userLink() { return `/admin/requests?users=${part(this.request.username)}`; },
  get tokenLink() { return `/admin/requests?tokens=${part(this.request.token_id)}`; },
  get clientText() { return this.hostname ? `${this.request.client} (${this.hostname})` : this.request.client; },
  get way() { return [this.request.name, ...this.steps, this.model]; },
  get wayText() { return this.way.filter((each, number) => each !== this.way[number - 1] && each !== format.NONE).join(" → "); },
  /** Older calls tell only of one name of each kind. */
  get steps() {
    if (this.request.way.length) return this.request.way;
    const { alias, router, cache, augmentor } = this.request;
    return [alias, router && `router:${router}`, cache && `cache:${cache}`, augmentor && `augmentor:${augmentor}`].filter(Boolean);
  },
  get cacheText() {
    const { cache, cache_hit: hit, similarity } = this.request;
    if (!cache) return "none on its way";
    if (!hit) return `${cache}: no hit`;
    if (similarity === null) return `${cache}: hit`;
    return similarity >= 1 ? `${cache}: hit, the same question` : `${cache}: hit, a question with a similarity of ${similarity}`;
  },
  get attemptText() {
    const words = format.counted(this.request.attempts, "attempt");
    return this.request.rescued ? `${words}; its stream broke off and was carried on by another target` : words;
  },
  get versionText() {
    if (this.request.price_version === null) return "none is known";
    return this.request.price_version === "provider" ? "the provider's own figure" : this.request.price_version;
  },
  get totalText() {
    const { helper_calls: calls, helper_unpriced: unpriced, total_cost: cost } = this.request;
    return `${format.usd(cost)} with ${format.counted(calls, "helper call")}${unpriced ? `, of which ${unpriced} without a known price` : ""}`;
  },

  yes(value) { return value ? "yes" : "no"; },
  costOf(each) { return this.costs[each.key] === undefined ? format.NONE : format.usd(this.costs[each.key]); },
  countOf({ count, label, unit }) { return unit === label.toLowerCase() ? format.count(count) : `${format.count(count)} ${unit}`; },
  linkOf(helper) { return `/admin/requests/${part(helper.id)}`; },
  modelOf(helper) { return modelOf(helper); },
  badgeOf(helper) { return badgeOf(helper); },
  statusOf(failure) { return failure.status || format.NONE; },
  spanOf(failure) { return failure.took_ms === null ? format.NONE : format.duration(failure.took_ms); },
  copyId() { return copy(this.id); },

  async showBodies() {
    const found = await telling(() => api(`usage/requests/${part(this.id)}/bodies`));
    if (found) this.bodies = [{ title: "Request", ...found.request }, { title: "Reply", ...found.reply }];
  },
  sizeOf(body) { return body.kept < body.bytes ? `${format.bytes(body.bytes)}, of which the first ${format.bytes(body.kept)} are kept` : format.bytes(body.bytes); },
}));
