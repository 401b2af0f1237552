// The settings of a definition as fields of a form, and back.

let counted = 0;

/** A field: what the API says of the setting, with the value as the form has it and the fault that stands there. */
export function fieldOf(setting, value) {
  counted += 1;
  const given = value === undefined ? setting.default : value;
  const field = { ...setting, id: `setting-${counted}`, fault: "", touched: false, value: "", rows: [] };
  field.hint = hintOf(setting);
  if (setting.control === "rows") field.rows = (given ?? []).map((each) => rowOf(setting, each));
  else field.value = shown(setting, given);
  return field;
}

/** One of several objects that a field holds. */
export function rowOf(setting, value = {}) {
  counted += 1;
  return { key: counted, fields: setting.fields.map((each) => fieldOf(each, value[each.name])) };
}

/** What fields say, as the API takes it; what is left empty and cannot be none is as it would be anyway. */
export function definitionOf(fields) {
  const definition = {};
  for (const field of fields) {
    const value = written(field);
    if (value !== undefined) definition[field.name] = value;
  }
  return definition;
}

/**
 * Put the lines of faults where they belong: `candidates[0].model: is missing`. Gives those that belong nowhere.
 *
 * What is missing is told of fields that somebody was at, or of all once that `isComplete` was said.
 */
export function placeFaults(fields, lines, isComplete) {
  const byPlace = new Map(places(fields));
  for (const field of byPlace.values()) field.fault = "";
  const rest = [];
  for (const line of lines) {
    const [, place, words] = line.match(/^([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+)?): (.*)$/s) ?? [];
    const field = byPlace.get(place);
    if (!field) rest.push(line);
    else if (isComplete || field.touched) field.fault = [field.fault, words[0].toUpperCase() + words.slice(1)].filter(Boolean).join("; ");
  }
  return rest;
}

function* places(fields, above = "") {
  for (const field of fields) {
    yield [above + field.name, field];
    for (const [index, row] of field.rows.entries()) yield* places(row.fields, `${above}${field.name}[${index}].`);
  }
}

/** What the API says of a setting, in the words of a form. */
function hintOf({ help, nullable, control }) {
  const words = help.replaceAll("`", "").replace("null", "empty");
  return nullable && control !== "maybe" && !/empty/.test(words) ? `${words} Empty for none.`.trim() : words;
}

function shown({ control }, value) {
  if (control === "flag") return value === true;
  if (control === "list") return (value ?? []).join(", ");
  return value === null || value === undefined ? "" : String(value);
}

function written(field) {
  const { control, value, rows, nullable } = field;
  if (control === "flag") return value;
  if (control === "rows") return rows.map((row) => definitionOf(row.fields));
  if (control === "list") return value.split(/[,\n]/).map((each) => each.trim()).filter(Boolean);
  if (String(value).trim() === "") return nullable ? null : undefined;
  if (control === "maybe") return value === "true";
  if (control === "number" || control === "whole") return Number(value);
  return value;
}
