// What a cache keeps: its answers, questions that are close to each other, and what was wrong of it.

import { inPlace } from "../../inplace.js";
import { compact, count, counted, percent, usd } from "../../format.js";
import { api, component, confirm, part, telling, toast } from "../../relay.js";

component("kept", () => ({
  model: null,
  loading: false,
  fault: "",
  cards: [],
  collection: "",
  tab: "entries",
  search: "",
  entries: [],
  next: null,
  near: "",
  pairs: [],
  compared: 0,
  isCompared: false,
  wrong: "",

  get name() { return this.model?.name ?? ""; },
  get isEntries() { return this.tab === "entries"; },
  get isPairs() { return this.tab === "pairs"; },
  get isEmpty() { return this.isEntries && !this.loading && !this.fault && !this.entries.length; },
  get isAlone() { return this.isPairs && !this.loading && this.isCompared && !this.pairs.length; },
  get emptyWords() {
    return this.search ? "No question that is kept holds this." : "Ask something by the name of this cache, and its answer stands here.";
  },
  get comparedWords() { return `Among the newest ${counted(this.compared, "question")}.`; },

  async open(event) {
    this.model = event.detail.model;
    Object.assign(this, { tab: "entries", search: "", pairs: [], isCompared: false, wrong: "", near: String(this.model.similarity_threshold) });
    await this.load();
  },

  path(rest) { return `caches/${part(this.model.id)}/${rest}`; },

  /** Do it; where the store is away, that is said in the place of what it keeps. */
  reaching(work) { return inPlace(this, "loading", work); },

  async load() {
    await this.reaching(async () => {
      this.entries = [];
      const found = await api(this.path("stats"));
      this.collection = found.collection;
      this.cards = cardsOf(found);
      await this.page(null);
    });
  },

  async page(after) {
    const found = await api(this.path("entries"), { query: { search: this.search, after } });
    this.entries = this.entries.concat(found.entries.map(entryOf));
    this.next = found.next;
  },

  more() { return this.reaching(() => this.page(this.next)); },

  async choose(tab) {
    this.tab = tab;
    if (this.isPairs && !this.isCompared) await this.compare();
  },

  isTab(tab) { return this.tab === tab; },

  compare() {
    return this.reaching(async () => {
      const found = await api(this.path("pairs"), { query: { near: this.near } });
      this.pairs = found.pairs.map((pair) => pairOf(pair, this.model));
      this.compared = found.compared;
      this.isCompared = true;
    });
  },

  async forget(entry) {
    if (!(await confirm("Forget this answer?", "The next who asks this is answered by the model again.", "Forget"))) return;
    const done = await telling(() => api(this.path(`entries/${part(entry.id)}`), { method: "DELETE" }));
    if (done === null) toast("Forgotten.");
    await this.load();
  },

  async keepApart(id) {
    const done = await telling(() => api(this.path("wrong"), { method: "POST", body: { id } }));
    if (done === null) toast("These two questions share no answer any more.");
    if (this.isCompared) await this.compare();
    return done === null;
  },

  async sayWrong() {
    if (await this.keepApart(this.wrong.trim())) this.wrong = "";
  },

  async clear() {
    if (!(await confirm(`Clear ${this.name}?`, "All its answers are forgotten. What it counted stays.", "Clear"))) return;
    const done = await telling(() => api(this.path("clear"), { method: "POST" }));
    if (done) toast(`Forgot ${counted(done.cleared, "answer")}.`);
    this.isCompared = false;
    await this.load();
  },
}));

function cardsOf({ entries, stats }) {
  return [
    ["Answers kept", count(entries)],
    ["Hit rate", percent(stats.hit_rate === null ? null : stats.hit_rate / 100)],
    ["Calls", count(stats.total_requests)],
    ["Hits", count(stats.cache_hits)],
    ["Tokens saved", compact(stats.tokens_saved)],
    ["Cost saved", usd(stats.cost_saved)],
  ].map(([label, value]) => ({ label, value }));
}

function entryOf(entry) {
  return { ...entry, words: entry.answer || "no text: it calls tools", tokens: `${count(entry.input_tokens)} in, ${count(entry.output_tokens)} out` };
}

/** What the cache would do of two questions, by its threshold of now. */
function pairOf(pair, { similarity_threshold: threshold }) {
  const [verdict, style, why] = pair.apart
    ? ["kept apart", "warning", "said to be wrong"]
    : pair.cosine < threshold
      ? ["not shared", "", `below the threshold of ${threshold}`]
      : pair.differences.length
        ? ["not shared", "", pair.differences.join("; ")]
        : ["shared", "good", ""];
  return { ...pair, one: pair.questions[0], other: pair.questions[1], figure: pair.cosine.toFixed(4), verdict, style, why };
}
