// What a field holds that is written as JSON.

/** The object that `text` is; an empty one where it is empty. Throws an Error that says what is wrong with it. */
export function objectIn(text) {
  if (!text.trim()) return {};
  const value = JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("must be an object");
  return value;
}
