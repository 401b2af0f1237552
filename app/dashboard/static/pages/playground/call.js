// One call from the playground: sent in a dialect, and told of as it comes.

import { DIALECTS } from "./dialects.js";

/** What is sent: {path, headers, body}, the body as the very text that goes out. */
export function requestOf(dialect, asked) {
  const { path, headers, body } = DIALECTS[dialect];
  return {
    path: path(asked),
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body(asked), null, 2),
  };
}

/**
 * Send `request`, with a token at its own path, or without at the administrators' own. Gives the Response.
 *
 * The cookie of the login goes to paths below /admin only, and a token to all others only.
 */
export function send(request, { token, csrf, signal }) {
  const [place, credential] = token ? ["", { authorization: `Bearer ${token}` }] : ["/admin/api/playground", { "x-csrf-token": csrf }];
  return fetch(place + request.path, {
    method: "POST",
    headers: { ...request.headers, ...credential },
    body: request.body,
    signal,
  });
}

/** Read the answer: `told` is called with what each piece of it tells, and `raw` with its text as it came. */
export async function readAnswer(response, dialect, { told, raw }) {
  const isStream = /event-stream|ndjson/.test(response.headers.get("content-type") ?? "");
  const { read, readWhole, lines } = DIALECTS[dialect];
  const document = (text) => {
    try {
      told(read(JSON.parse(text)));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error; // what is no JSON, such as [DONE], stands in the raw answer
    }
  };
  if (!isStream) {
    const text = await response.text();
    raw(text);
    told(response.ok ? readWhole(JSON.parse(text)) : { error: errorIn(text) ?? `The gateway answered ${response.status}.` });
    return;
  }
  const split = lines ? splitLines(document) : splitEvents(document, (comment) => told(receiptIn(comment)));
  const decoder = new TextDecoder();
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    const text = decoder.decode(value, { stream: !done });
    if (text) raw(text);
    split(text, done);
    if (done) return;
  }
}

function splitLines(document) {
  let rest = "";
  return (text, done) => {
    const pieces = (rest + text).split("\n");
    rest = done ? "" : pieces.pop();
    for (const line of pieces) if (line.trim()) document(line);
  };
}

/** Server-sent events: only their data, and comments. */
function splitEvents(document, comment) {
  let data = [];
  return splitInto((line) => {
    if (line.startsWith(":")) comment(line.slice(1).trim());
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
    else if (line === "") {
      if (data.length) document(data.join("\n"));
      data = [];
    }
  });
}

function splitInto(take) {
  let rest = "";
  return (text, done) => {
    const pieces = (rest + text).split(/\r?\n/);
    rest = done ? "" : pieces.pop();
    pieces.forEach(take);
  };
}

/** "x-relay-cost 0.0012; x-relay-usage input=10, output=7" */
function receiptIn(comment) {
  const said = Object.fromEntries(comment.split("; ").map((part) => [part.split(" ", 1)[0], part.slice(part.indexOf(" ") + 1)]));
  return { cost: said["x-relay-cost"], tokens: said["x-relay-usage"] };
}

/** The words of an error in any dialect. */
function errorIn(text) {
  try {
    const { error } = JSON.parse(text);
    return error?.message ?? (typeof error === "string" ? error : undefined);
  } catch {
    return undefined;
  }
}
