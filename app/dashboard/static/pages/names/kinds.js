// The kinds of smart models, and how the parts of the page of names speak to each other.

export const PLURALS = { alias: "aliases", redirect: "redirects", router: "routers", cache: "caches", augmentor: "augmentors" };
export const KINDS = Object.keys(PLURALS);

/** Ask another part of the page: `tell("name-edit", {kind, model})`. */
export function tell(event, detail) {
  dispatchEvent(new CustomEvent(event, { detail }));
}
