// What happened to a call, one thing after the other: rows with when each began and ended, in milliseconds from its arrival on.

import * as format from "../../format.js";
import { modelOf } from "../requests/words.js";

const WIDTH = 1000;
const LEAST = 3;

/** `{label, kind, x, width, text}` of each; x and width are of a drawing that is 1000 wide. */
export function timelineOf(request, helpers) {
  const spans = [...own(request), ...helpers.map((each) => helperSpan(request, each))];
  const end = Math.max(1, request.total_ms, ...spans.map((each) => each.to));
  return spans
    .sort((one, other) => one.from - other.from || one.to - other.to)
    .map((span, number) => ({
      id: number,
      label: span.label,
      kind: span.kind,
      x: Math.min(WIDTH - LEAST, (WIDTH * span.from) / end),
      width: Math.max(LEAST, (WIDTH * (span.to - span.from)) / end),
      text: `${format.duration(span.to - span.from)}, from ${format.duration(span.from)} on`,
    }));
}

function own(request) {
  const failed = request.failures.filter((each) => each.began_ms !== null && each.kind !== "breaker_open").map((each) => ({
    label: `${modelOf(each)} failed: ${each.kind}`, kind: "failed", from: each.began_ms, to: each.began_ms + each.took_ms,
  }));
  const { asked_ms: asked, first_byte_ms: first, total_ms: total } = request;
  const begun = Math.min(asked ?? first ?? total, ...failed.map((each) => each.from));
  const spans = [{ label: "Names, limits and what is made ready", kind: "own", from: 0, to: begun }, ...failed];
  const target = modelOf(request);
  if (first !== null) {
    if (asked !== null && asked <= first) spans.push({ label: `${target} until the first byte`, kind: "", from: asked, to: first });
    spans.push({ label: "Reply", kind: "reply", from: first, to: total });
  } else if (asked !== null && !failed.some((each) => each.from === asked)) {
    spans.push({ label: `${target} was waited for`, kind: "", from: asked, to: total });
  }
  return spans;
}

function helperSpan(request, helper) {
  // The part of a stream that another carried on has the arrival of its call.
  const begun = helper.helper === "broken" ? helper.asked_ms ?? 0 : new Date(helper.received_at) - new Date(request.received_at);
  return { label: `${helper.helper}: ${modelOf(helper)}`, kind: "helper", from: Math.max(0, begun), to: Math.max(0, begun) + helper.total_ms };
}
