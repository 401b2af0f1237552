import { ApiError, copy, component, seen, send } from "../relay.js";
import { counted } from "../format.js";

const MOST = 2000;
const MOST_SHOWN = 500;
const AGAIN_MS = 3000;
const LEVELS = { debug: 0, info: 1, warning: 2, error: 3, critical: 4 };
const KINDS = { warning: "warning", error: "critical", critical: "critical" };

component("logs", () => ({
  loading: true,
  connected: false,
  paused: false,
  level: "debug",
  search: "",
  worker: null,
  lines: [],
  waiting: [],
  fault: "",

  get pauseLabel() { return this.paused ? "Go on" : "Pause"; },
  get found() {
    const words = this.search.trim().toLowerCase();
    return this.lines.filter((line) => LEVELS[line.level] >= LEVELS[this.level] && (!words || line.searched.includes(words)));
  },
  get shown() { return this.found.slice(-MOST_SHOWN).reverse(); },
  get summary() {
    const cut = this.found.length > MOST_SHOWN ? `, the last ${MOST_SHOWN} are shown` : "";
    const held = this.paused && this.waiting.length ? `; ${counted(this.waiting.length, "more line")} came since` : "";
    return `${counted(this.found.length, "line")}${cut}${held}`;
  },
  get isEmpty() { return this.connected && this.found.length === 0; },
  get state() {
    if (!this.connected) return this.fault || "Not connected";
    return this.paused ? "Paused" : "Live";
  },
  get stateKind() {
    if (!this.connected) return "critical";
    return this.paused ? "warning" : "good";
  },

  async init() {
    let following;
    addEventListener("pagehide", () => following?.abort());
    document.addEventListener("visibilitychange", () => { if (document.hidden) following?.abort(); });
    for (;;) {
      await seen();
      following = new AbortController();
      this.fault = await this.follow(following.signal).then(() => "", faultOf);
      this.connected = false;
      this.loading = false;
      await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
    }
  },

  /** Take lines until the stream ends. Each stream begins with those that are there. */
  async follow(signal) {
    const response = await send("logs/stream", { signal, quiet: true });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) this.take(JSON.parse(event.replace(/^data: /, "")));
    }
  },

  take({ worker, lines }) {
    if (worker !== this.worker) [this.worker, this.lines, this.waiting, this.last] = [worker, [], [], 0];
    const fresh = lines.filter((line) => line.number > this.last).map((line) => ({
      ...line, kind: KINDS[line.level] ?? "", searched: `${line.logger} ${line.text}`.toLowerCase(),
    }));
    this.last = fresh.at(-1)?.number ?? this.last;
    if (this.paused) this.waiting = this.waiting.concat(fresh).slice(-MOST);
    else if (fresh.length) this.lines = this.lines.concat(fresh).slice(-MOST);
    this.connected = true;
    this.loading = false;
  },

  pause() {
    this.paused = !this.paused;
    if (this.paused) return;
    this.lines = this.lines.concat(this.waiting).slice(-MOST);
    this.waiting = [];
  },

  clear() { this.lines = []; },

  copyAll() {
    copy(this.found.map((line) => `${line.at} ${line.level} ${line.logger} ${line.text}`).join("\n"));
  },
}));

/** What is told in place of the state: it is tried again and again, and a toast for each time would fill the page. */
function faultOf(error) {
  if (error.name === "AbortError") return "";
  if (!(error instanceof ApiError)) throw error;
  return error.message;
}
