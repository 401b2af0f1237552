// The classes of what calls use, by their names in the API, in the order in which they are told.

const CLASSES = [
  ["input_tokens", "Input"], ["cache_read_tokens", "Read from the provider's cache"], ["cache_write_tokens", "Written to the provider's cache"],
  ["cache_write_1h_tokens", "Written to it for an hour"], ["input_audio_tokens", "Audio heard"], ["input_image_tokens", "Images seen"],
  ["output_tokens", "Output"], ["reasoning_tokens", "Reasoning"], ["output_audio_tokens", "Audio spoken"], ["output_image_tokens", "Images drawn"],
  ["images", "Images", "images"], ["searches", "Searches", "searches"], ["audio_ms", "Audio", "ms"], ["requests", "Requests", "requests"],
];

/** Those that were used at all: `{key, label, count, unit, share}`; the share is of all tokens, and null of what is no token. */
export function classesOf(usage) {
  const used = CLASSES.filter(([key]) => usage[key]).map(([key, label, unit = "tokens"]) => ({ key, label, unit, count: usage[key] }));
  const tokens = used.filter((each) => each.unit === "tokens").reduce((sum, each) => sum + each.count, 0);
  return used.map((each) => ({ ...each, share: each.unit === "tokens" && tokens ? each.count / tokens : null }));
}
