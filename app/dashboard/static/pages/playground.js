import { api, component, copy, keepInAddress, readAddress, role, telling } from "../relay.js";
import { busyBetween } from "../busy.js";
import { duration, usd } from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { readAnswer, requestOf, send } from "./playground/call.js";
import { codeFor, LANGUAGES } from "./playground/code.js";
import { DIALECTS } from "./playground/dialects.js";
import { dataUrl, KINDS, readPicture } from "./playground/picture.js";
import { headOf, receiptOf, written } from "./playground/shown.js";
import { rowsOf } from "./playground/way.js";

const OFFERED = 50; // a list of suggestions, of which browsers show a few
const SHOWN_EVERY_MS = 100; // a stream may have hundreds of pieces a second
const TABS = { receipt: "Receipt", request: "Request", reply: "Reply", code: "Code", way: "Way" };

component("playground", () => ({
  ...LOADING,
  names: [],
  name: "",
  dialect: "openai",
  caller: role === "admin" ? "admin" : "token",
  token: "",
  system: "",
  temperature: "",
  maxTokens: "",
  isStreamed: true,
  prompt: "",
  picture: null,
  kinds: KINDS.join(","),
  turns: [],
  running: false,
  stopping: null,
  error: "",
  notice: "",
  tab: "receipt",
  tabs: Object.entries(TABS).map(([id, title]) => ({ id, title, tab: `tab-${id}`, panel: `panel-${id}` })),
  dialects: Object.entries(DIALECTS).map(([id, { title }]) => ({ id, title })),
  languages: Object.entries(LANGUAGES).map(([id, title]) => ({ id, title })),
  language: "curl",
  receipt: null,
  sent: "",
  raw: "",
  way: null,
  wayRows: [],

  get offered() {
    const typed = this.name.trim().toLowerCase();
    return this.names.filter((each) => inFull(each).includes(typed)).slice(0, OFFERED);
  },
  get chosen() {
    const typed = this.name.trim().toLowerCase();
    return this.names.find((each) => each.name.toLowerCase() === typed || inFull(each) === typed);
  },
  get about() {
    if (!this.chosen) return this.name.trim() ? "Not in the list: it may be another provider's of that name, a pattern's, or lead to the default model." : "";
    return [this.chosen.owner, this.chosen.description].filter(Boolean).join(" · ");
  },
  get isByToken() { return this.caller === "token"; },
  get hasTurns() { return this.turns.length > 0; },
  get canSend() { return !this.running && this.name.trim() !== "" && (this.prompt.trim() !== "" || this.picture !== null) && (!this.isByToken || this.token.trim() !== ""); },
  get cannotSend() { return !this.canSend; },
  get hasNone() { return !this.loading && !this.loadFault && this.names.length === 0; },
  get code() { return codeFor(this.language, this.dialect, this.asked(this.prompt, this.picture)); },
  get requestLink() { return this.receipt?.id ? `/admin/requests/${encodeURIComponent(this.receipt.id)}` : null; },

  async init() {
    const said = readAddress();
    this.dialect = said.dialect?.[0] in DIALECTS ? said.dialect[0] : "openai";
    this.name = said.model?.[0] ?? "";
    await this.load();
  },

  async load() {
    this.names = (await loaded(this, () => api("playground/names")))?.names ?? [];
    this.name ||= this.names[0]?.name ?? "";
  },

  keep() { keepInAddress({ model: this.name, dialect: this.dialect === "openai" ? "" : this.dialect }); },
  show(tab) { this.tab = tab; },
  copyCode() { copy(this.code); },

  async attach(event) {
    const [file] = event.target.files;
    event.target.value = ""; // so that the same can be chosen again
    if (!file) return;
    this.error = "";
    try {
      this.picture = await readPicture(file);
    } catch (error) {
      this.error = error.message;
    }
  },
  detach() { this.picture = null; },

  /** What is asked: the conversation so far, and `prompt` and `picture` where there are any. */
  asked(prompt, picture = null) {
    const number = (text) => (String(text ?? "").trim() === "" ? undefined : Number(text));
    const turns = this.turns.filter((turn) => !turn.pending).map(({ role: who, text, picture: shown }) => ({ role: who, text, picture: shown }));
    return {
      model: this.name.trim(),
      system: this.system.trim() || undefined,
      temperature: number(this.temperature),
      maxTokens: number(this.maxTokens),
      streamed: this.isStreamed,
      turns: prompt.trim() || picture ? [...turns, { role: "user", text: prompt.trim(), picture }] : turns,
    };
  },

  restart() {
    this.turns = [];
    this.picture = null;
    this.error = this.notice = "";
    this.receipt = null;
    this.sent = this.raw = "";
    this.way = null;
    this.$refs.prompt.focus();
  },

  stop() { this.stopping?.abort(); },

  async send() {
    if (!this.canSend) return;
    this.keep();
    const [prompt, picture] = [this.prompt.trim(), this.picture];
    const request = requestOf(this.dialect, this.asked(prompt, picture));
    this.turns.push(turn("user", prompt, picture), { ...turn("assistant", ""), pending: true });
    this.prompt = "";
    this.picture = null;
    this.error = this.notice = "";
    this.running = true;
    this.stopping = new AbortController();
    const call = { answer: this.turns.at(-1), text: "", reasoning: "", raw: "", began: performance.now(), failure: "", waiting: busyBetween() };
    this.sent = written(request, this.isByToken);
    this.raw = "";
    this.receipt = null;
    this.way = null;
    const showing = setInterval(() => this.showCall(call), SHOWN_EVERY_MS);
    try {
      await this.run(request, call);
    } catch (error) {
      if (error.name === "AbortError") this.notice = "Stopped. The gateway ended the provider's call too; what was used until then is recorded.";
      else call.failure = error instanceof TypeError ? "The gateway cannot be reached, or the connection broke off." : String(error);
    } finally {
      clearInterval(showing);
      call.waiting.end();
      this.finish(call, prompt, picture);
    }
  },

  /** Send it and read the answer, into `call` and the receipt. */
  async run(request, call) {
    const token = this.isByToken ? this.token.trim() : "";
    const csrf = document.querySelector('meta[name="csrf-token"]').content;
    const response = await send(request, { token, csrf, signal: this.stopping.signal });
    call.raw = headOf(response);
    this.receipt = receiptOf(response);
    await readAnswer(response, this.dialect, {
      raw: (text) => {
        call.waiting.came();
        if (!this.receipt.firstByte) this.receipt.firstByte = duration(performance.now() - call.began);
        call.raw += text;
      },
      told: ({ text, reasoning, error, tokens, cost }) => {
        call.text += text ?? "";
        call.reasoning += reasoning ?? "";
        if (error) call.failure = error;
        if (tokens) this.receipt.tokens = tokens;
        if (cost !== undefined) this.receipt.cost = usd(cost);
      },
    });
  },

  /** Put on the page what has come. */
  showCall(call) {
    call.answer.text = call.text;
    call.answer.reasoning = call.reasoning;
    this.raw = call.raw;
    this.$nextTick(() => { this.$refs.chat.scrollTop = this.$refs.chat.scrollHeight; });
  },

  finish(call, prompt, picture) {
    this.showCall(call);
    if (this.receipt) this.receipt.total = duration(performance.now() - call.began);
    this.error = call.failure;
    call.answer.pending = false;
    if (!call.text) { // nothing that the conversation could go on from
      this.turns.splice(-2);
      Object.assign(this, { prompt, picture });
      if (!this.error && !this.notice) this.notice = "The answer holds no text: the tab Reply has what came.";
    }
    this.running = false;
    this.$nextTick(() => this.$refs.prompt.focus());
  },

  /** Where the call would go, without sending it. */
  async explain() {
    this.tab = "way";
    const { model, turns } = this.asked(this.prompt);
    const request = { model, messages: turns.map(({ role: who, text }) => ({ role: who, content: text })) };
    const explained = await telling(() => api("names/explain", { method: "POST", body: { request } }));
    this.way = explained ?? null;
    this.wayRows = explained ? rowsOf(explained.way) : [];
  },
}));

let made = 0;

function turn(who, text, picture = null) {
  made += 1;
  return { id: made, role: who, who: who === "user" ? "You" : "Model", text, picture, url: picture && dataUrl(picture), reasoning: "", pending: false };
}

/** A name as it may be typed with its provider. */
function inFull({ owner, name }) { return `${owner}/${name}`.toLowerCase(); }
