// What became of fields: of an entry of the audit log, and of what an import brings.

/** The fields that are another afterwards, as text. Either side is null where there is nothing. */
export function changesOf(before, after) {
  const [old, now] = [before ?? {}, after ?? {}];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return names
    .filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]))
    .map((name) => ({ name, text: written(old, now, name) }));
}

function written(before, after, name) {
  const [was, is] = [before, after].map((fields) => (name in fields ? JSON.stringify(fields[name]) : ""));
  if (was && is) return `${was} → ${is}`;
  return is || `was ${was}`;
}
