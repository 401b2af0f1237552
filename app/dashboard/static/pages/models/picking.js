// A long list of which some are picked: shown as far as it is asked for.

const STEP = 100;

/** Takes the entries, each with an `id`. */
export function picking() {
  return {
    entries: [],
    shownCount: STEP,
    words: "",

    get matching() {
      const words = this.words.trim().toLowerCase();
      return words ? this.entries.filter((each) => each.id.toLowerCase().includes(words)) : this.entries;
    },
    get shown() { return this.matching.slice(0, this.shownCount); },
    get hasMore() { return this.matching.length > this.shownCount; },
    get picked() { return this.entries.filter((each) => each.picked); },
    get count() { return this.picked.length; },
    get isEmpty() { return this.entries.length === 0; },
    get isAll() { return this.matching.length > 0 && this.matching.every((each) => each.picked); },

    set(entries) {
      Object.assign(this, { entries, shownCount: STEP, words: "" });
    },
    more() { this.shownCount += STEP; },
    /** Pick all that match, or none of them. */
    toggleAll() {
      const picked = !this.isAll;
      for (const each of this.matching) each.picked = picked;
    },
    ids(kind) {
      return this.picked.filter((each) => kind === undefined || each.kind === kind).map((each) => each.target);
    },
  };
}
