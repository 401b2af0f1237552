// How the states of monitors, of what they found and of what was passed on are written.

const KINDS = {
  active: "good", delivered: "good", creating: "warning", cancelling: "warning", waiting: "warning", pending: "warning",
  failed: "critical", given_up: "critical",
};
const REASONS = {
  user: "on request", replaced: "replaced by another", expired: "its time was over", user_gone: "its user has no token",
  gone: "gone at Parallel", failed: "could not be created",
};
const RESULTS = {
  stored: ["good", "a new report"], noted: ["good", "a run"], duplicate: ["", "told before: nothing was done"], unknown: ["warning", "no monitor here is this one"],
};
const SHORT = 160;

/** Which colour a state's badge has. */
export const kindOf = (state) => KINDS[state] ?? "";

/** Why a monitor is in its state, where it is not active. */
export function whyOf({ status, reason }) {
  return status === "active" ? "" : REASONS[reason] ?? "";
}

/** What came of a webhook. */
export function resultOf({ result }) {
  const [kind, words] = RESULTS[result] ?? ["", ""];
  return { kind, words };
}

/** A text that may be of any length, as a row of a table has room for. */
export function short(text) {
  return !text ? "" : text.length > SHORT ? `${text.slice(0, SHORT)}…` : text;
}
