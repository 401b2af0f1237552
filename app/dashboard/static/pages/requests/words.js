// How single calls are told of, in tables and by themselves.

const ENDS = {
  error: ["critical", "Error"], cut: ["warning", "Broke off"], client_gone: ["warning", "Client left"], ok: ["good", "OK"],
};

/** `{kind, text}` of how a call ended. */
export function badgeOf(request) {
  const [kind, words] = request.outcome === "ok" && request.status >= 400 ? ENDS.error : ENDS[request.outcome] ?? ["", request.outcome];
  return { kind, text: `${request.status} ${words}` };
}

/** "openai/gpt-5", or a dash where a call never got as far. */
export function modelOf(request) {
  return [request.provider, request.model].filter(Boolean).join("/") || "–";
}
