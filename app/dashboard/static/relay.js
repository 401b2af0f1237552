// What all pages of the dashboard share: asking the API, telling of what went wrong, and writing numbers and times.

import { busy } from "./busy.js";
import * as format from "./format.js";
import "./tabs.js";

export { closeDialog, confirm, showDialog } from "./dialogs.js";

const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";

/** "admin" or "viewer"; the API refuses what a viewer may not do, a page need not offer it. */
export const role = meta("role");

/** An answer of the API that is none: `status` is 0 where the gateway could not be reached; `error` is what the API said. */
export class ApiError extends Error {
  constructor(status, message, error = {}) {
    super(message);
    this.status = status;
    this.error = error;
  }
}

/**
 * Ask the administrators' API: `api("tokens")`, `api("tokens", {method: "POST", body: {…}})`.
 *
 * `query` is an object; lists become repeated parameters, and what is empty is left out. Gives the JSON, or null for 204.
 * Throws an ApiError; a session that is over leads to the login.
 */
export async function api(path, { method = "GET", body, query, signal, quiet } = {}) {
  const response = await send(path, { method, body, query, signal, quiet });
  if (response.status === 204) return null;
  return response.json();
}

/**
 * The same, where the answer is read bit by bit: gives the Response.
 *
 * With `quiet` the page asks by itself: no bar is shown, and the session of whoever went away still comes to its end.
 */
export async function send(path, { method = "GET", body, query, signal, quiet = false } = {}) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["x-csrf-token"] = meta("csrf-token");
  if (body !== undefined) headers["content-type"] = "application/json";
  if (quiet) headers["x-unattended"] = "1";
  const done = quiet ? () => {} : busy();
  let response;
  try {
    response = await fetch(`/admin/api/${path}${queryOf(query)}`, {
      method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The gateway cannot be reached. Is it running?");
  } finally {
    done();
  }
  if (response.ok) return response;
  const said = await response.json().then((json) => json.error ?? {}, () => ({}));
  if (response.status === 401) {
    location.assign(`/admin/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    await new Promise(() => {}); // the page goes away
  }
  throw new ApiError(response.status, said.message ?? `The gateway answered ${response.status}.`, said);
}

/** `?a=1&b=2` of an object, or nothing. */
export function queryOf(query = {}) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "" && each !== false) parameters.append(name, each);
    }
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

/** A path's part: ids and names may hold anything. */
export const part = encodeURIComponent;

/** Tell of something at the edge of the page: `kind` is "good", "bad" or "". What is bad stays until it is dismissed. */
export function toast(text, kind = "good") {
  Alpine.store("toasts").add(text, kind);
}

/** Do `work`, and tell of the ApiError that ends it. Gives what it gives, or undefined. */
export async function telling(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name === "AbortError") return undefined;
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "bad");
    return undefined;
  }
}

/** Put a text into the clipboard, and say so. Without a secure context browsers have none: then it is selected by hand. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("This browser does not let a page copy: select the text and copy it by hand.", "bad");
  }
}

/** Have the address tell the state of a page, so that it can be kept as a link. What is empty is left out. */
export function keepInAddress(query) {
  history.replaceState(null, "", location.pathname + queryOf(query));
}

/** What the address says: an object of lists. */
export function readAddress() {
  const said = {};
  for (const [name, value] of new URLSearchParams(location.search)) (said[name] ??= []).push(value);
  return said;
}

/** A page's component, by the name that its template has in `x-data`. */
export function component(name, make) {
  document.addEventListener("alpine:init", () => Alpine.data(name, make));
}

/** Wait until somebody can see the page. */
export function seen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => { document.addEventListener("visibilitychange", resolve, { once: true }); });
}

document.addEventListener("alpine:init", () => {
  Alpine.magic("format", () => format);
  Alpine.magic("role", () => role);
  Alpine.store("busy", { shown: false });
  Alpine.store("alerts", { count: 0 });
  Alpine.store("toasts", {
    list: [],
    add(text, kind) {
      const id = crypto.getRandomValues(new Uint32Array(1))[0];
      this.list.push({ id, text, kind });
      const edge = document.querySelector(".toasts"); // shown anew, so that it stands before a dialog that was opened since
      if (edge.matches(":popover-open")) edge.hidePopover();
      edge.showPopover();
      if (kind !== "bad") setTimeout(() => this.dismiss(id), 5000);
    },
    dismiss(id) {
      this.list = this.list.filter((toast) => toast.id !== id);
    },
  });
  Alpine.data("shell", () => ({
    open: false,
    theme: localStorage.getItem("theme") ?? "system",
    get menuClass() { return this.open ? "open" : ""; },
    init() {
      const look = () => send("alerts/count", { quiet: true })
        .then((response) => response.json())
        .then((alerts) => { Alpine.store("alerts").count = alerts.count; }, () => {});
      look();
      setInterval(() => { if (!document.hidden) look(); }, 60_000);
    },
    toggle() {
      this.open = !this.open;
      if (this.open) this.$nextTick(() => document.querySelector("#menu a").focus());
    },
    shut() {
      if (!this.open) return;
      this.open = false;
      document.querySelector(".menu-button").focus();
    },
    setTheme() {
      localStorage.setItem("theme", this.theme);
      if (this.theme === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = this.theme;
      dispatchEvent(new Event("theme"));
    },
    async logOut() {
      await telling(() => api("logout", { method: "POST" }));
      location.assign("/admin/login");
    },
  }));
});
