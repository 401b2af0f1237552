// What the page shows of a call: the request as it went out, the reply's head, and the receipt.

import { NONE, usd } from "../../format.js";

const LONG_DATA = /"((?:data:[\w/+.-]+;base64,)?[A-Za-z0-9+/]{60})[A-Za-z0-9+/]{200,}={0,2}"/g;

/** The request; a token is not written, and of a picture only how it begins. */
export function written({ path, headers, body }, isByToken) {
  const credential = isByToken ? { authorization: "Bearer YOUR_TOKEN" } : {};
  const lines = Object.entries({ ...headers, ...credential }).map(([name, value]) => `${name}: ${value}`);
  return [`POST ${path}`, ...lines, "", body.replace(LONG_DATA, '"$1…"')].join("\n");
}

export function headOf(response) {
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  return `${[`HTTP ${response.status}`, ...lines].join("\n")}\n\n`;
}

/** What the reply's headers tell; a stream tells of its tokens and its cost in the end. */
export function receiptOf({ status, ok, headers }) {
  const said = (name) => headers.get(name) ?? NONE;
  return {
    status,
    kind: ok ? "good" : "critical",
    id: headers.get("x-request-id"),
    resolved: headers.get("x-relay-resolved") ?? (ok ? "as it is named" : NONE),
    provider: said("x-relay-provider"),
    attempts: said("x-relay-attempts"),
    cache: said("x-relay-cache"),
    warnings: headers.get("x-relay-warnings") ?? "",
    tokens: said("x-relay-usage"),
    cost: usd(headers.get("x-relay-cost")),
    firstByte: "",
    total: "",
  };
}
