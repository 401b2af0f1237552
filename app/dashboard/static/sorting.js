// Columns that a table is sorted by; the macro `heading` writes their heads.

/** For a component with `sort`, `order`, and `resorted`, which is called when they have changed. */
export const SORTING = {
  sortBy(column) {
    this.order = this.sort === column && this.order === "desc" ? "asc" : "desc";
    this.sort = column;
    return this.resorted();
  },
  sortedAs(column) { return this.sort !== column ? "none" : this.order === "asc" ? "ascending" : "descending"; },
  arrow(column) { return this.sort !== column ? "" : this.order === "asc" ? "▲" : "▼"; },
};
