// Numbers with their units, and times in the viewer's zone.

const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** What nobody knows. */
export const NONE = "–";

const isNone = (value) => value === null || value === undefined || value === "";

/** 12,345 */
export function count(value) {
  return isNone(value) ? NONE : whole.format(value);
}

/** 12.3K, for cards and axes. */
export function compact(value) {
  return isNone(value) ? NONE : Math.abs(value) < 10_000 ? whole.format(value) : short.format(value);
}

/** "$0.0123" of a text in USD that may have twelve decimals: two where it is large, two digits that say something where it is small. */
export function usd(value) {
  if (isNone(value)) return NONE;
  const number = Number(value);
  if (number === 0) return "$0.00";
  const size = Math.abs(number);
  const decimals = size >= 1 ? 2 : size >= 0.01 ? 4 : Math.max(6, 1 - Math.floor(Math.log10(size)));
  return `$${number.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: decimals })}`;
}

/** "340 ms", "2.1 s", "3 min" */
export function duration(ms) {
  if (isNone(ms)) return NONE;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** "12.5 %" of a share of 1. */
export function percent(share) {
  return isNone(share) ? NONE : `${(100 * share).toFixed(share !== 0 && Math.abs(share) < 0.1 ? 1 : 0)} %`;
}

/** "4.1 GB" */
export function bytes(value) {
  if (isNone(value)) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  let size = value;
  while (size >= 1000 && step < units.length - 1) { size /= 1000; step += 1; }
  return `${step && size < 100 ? size.toFixed(1) : Math.round(size)} ${units[step]}`;
}

/** A moment in the viewer's zone. */
export function time(value) {
  return isNone(value) ? NONE : moment.format(new Date(value));
}

/** "3 minutes ago", "in 2 hours" */
export function since(value) {
  if (isNone(value)) return "never";
  const seconds = (new Date(value) - Date.now()) / 1000;
  const [unit, length] = STEPS.find(([, each]) => Math.abs(seconds) >= each) ?? STEPS.at(-1);
  return ago.format(Math.round(seconds / length), unit);
}

/** "a, b", or a dash. */
export function list(values) {
  return values?.length ? values.join(", ") : NONE;
}

/** "1 call", "2 calls" */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}
