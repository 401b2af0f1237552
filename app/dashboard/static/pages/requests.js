import { api, component, keepInAddress, part, queryOf, readAddress } from "../relay.js";
import { Filters } from "../filters.js";
import * as format from "../format.js";
import { LOADING, loaded } from "../inplace.js";
import { SORTING } from "../sorting.js";
import { badgeOf, modelOf } from "./requests/words.js";

const SORTS = ["timestamp", "input_tokens", "output_tokens", "cost", "response_time_ms"];
const PAGE = 50;
const LOOK_MS = 3000;

component("requests", () => ({
  ...LOADING,
  ...SORTING,
  filters: null,
  status: "",
  helpers: false,
  failed: "",
  sort: "timestamp",
  order: "desc",
  live: true,
  cursor: "",
  before: [],
  requests: [],
  next: null,
  total: null,
  timer: null,

  async init() {
    const said = readAddress();
    this.filters = new Filters(said);
    this.filters.onChange = () => this.begin();
    this.status = ["success", "error"].includes(said.status?.[0]) ? said.status[0] : "";
    this.helpers = said.helpers?.[0] === "true";
    this.failed = said.failed?.[0] ?? "";
    this.sort = SORTS.includes(said.sort?.[0]) ? said.sort[0] : "timestamp";
    this.order = said.order?.[0] === "asc" ? "asc" : "desc";
    this.live = said.live?.[0] !== "off";
    this.cursor = said.cursor?.[0] ?? "";
    await this.load();
    this.timer = setInterval(() => { if (this.isLive && !document.hidden) this.look(); }, LOOK_MS);
  },

  destroy() { clearInterval(this.timer); },

  get isEmpty() { return !this.loading && !this.loadFault && this.requests.length === 0; },
  get hasRequests() { return !this.loadFault && this.requests.length > 0; },
  get isFirst() { return this.cursor === ""; },
  get mayBeLive() { return this.isFirst && this.sort === "timestamp" && this.order === "desc"; },
  get isLive() { return this.live && this.mayBeLive; },
  get liveNote() { return this.mayBeLive ? "" : "On the first page, the newest first"; },
  get totalText() { return this.total === null ? "" : format.counted(this.total, "call"); },
  get query() {
    return { ...this.filters.query, status: this.status, helpers: this.helpers, failed: this.failed, sort: this.sort, order: this.order };
  },
  get exportLink() {
    return this.filters === null ? "" : `/admin/api/usage/export${queryOf({ ...this.filters.query, status: this.status, failed: this.failed, helpers: String(this.helpers) })}`;
  },
  get usageLink() { return this.filters === null ? "" : `/admin/usage${queryOf(this.filters.query)}`; },

  /** From the first page on, by other filters or in another order. */
  begin() {
    this.cursor = "";
    this.before = [];
    return this.load();
  },

  clearFailed() {
    this.failed = "";
    return this.begin();
  },

  async load() {
    keepInAddress({ ...this.query, live: this.live ? "" : "off", cursor: this.cursor });
    const query = { ...this.query, limit: PAGE, cursor: this.cursor, total: this.isFirst };
    const found = await loaded(this, () => Promise.all([api("usage/requests", { query }), this.filters.load()]));
    if (found) this.show(found[0]);
  },

  /** What came since; the page stays as it is while the gateway is away. */
  async look() {
    const { loads } = this;
    const page = await api("usage/requests", { query: { ...this.query, limit: PAGE, total: true }, quiet: true }).catch(() => null);
    if (page && loads === this.loads && this.isLive) this.show(page);
  },

  show(page) {
    this.loadFault = "";
    this.requests = page.requests;
    this.next = page.next_cursor;
    if (page.total !== null) this.total = page.total;
  },

  newer() {
    this.cursor = this.before.pop() ?? "";
    return this.load();
  },
  older() {
    this.before.push(this.cursor);
    this.cursor = this.next;
    return this.load();
  },

  resorted() { return this.begin(); },

  link(request) { return `/admin/requests/${part(request.id)}`; },
  badge(request) { return badgeOf(request); },
  model(request) { return modelOf(request); },
  isRenamed(request) { return request.name !== modelOf(request); },
  cost(request) { return format.usd(request.total_cost); },
  notes(request) {
    return [
      request.streamed && "streamed", request.cache_hit && "from the cache", request.rescued && "carried on by another",
      request.attempts > 1 && `${request.attempts} attempts`, request.helper && `helper: ${request.helper}`,
      request.helper_calls > 0 && format.counted(request.helper_calls, "helper call"),
    ].filter(Boolean).join(", ");
  },
}));
