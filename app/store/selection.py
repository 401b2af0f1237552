"""Which calls a report is about: a period, and what the calls have in common; the same for sums and for single calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Conditions = tuple[str, dict[str, object]]
"""SQL, each condition led in by AND, and its values."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Calls of a period that have in common what the filters say.

    Attributes:
        first_day, last_day: in UTC, counted from 1970; both are in it.
        filters: values by names of `FILTERS`. A call is meant that has one of the values of each name.
    """

    first_day: int
    last_day: int
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


def conditions(selection: Selection, table: str) -> Conditions:
    """The conditions of the filters on the columns of `table`: `usage_keys`, `request_logs`, or another name of theirs."""
    sql, values = "", dict[str, object]()
    for name, wanted in sorted(selection.filters.items()):
        if wanted:
            marks = {f"{name}{number}": value for number, value in enumerate(wanted)}
            sql += f" AND ({FILTERS[name](table, [f':{mark}' for mark in marks])})"
            values |= {mark: spelled(name, value) for mark, value in marks.items()}
    return sql, values


def spelled(name: str, value: str) -> str:
    """A value as the SQL of a filter wants it."""
    return f",{value}," if name == "tags" else value


def _one_of(column: str) -> Callable[[str, Sequence[str]], str]:
    return lambda table, marks: f"{table}.{column} IN ({', '.join(marks)})"


def _with_tag(table: str, marks: Sequence[str]) -> str:
    """Neither LIKE, which SQLite and PostgreSQL understand differently, nor a function that only one of them has."""
    tags = f"(',' || {table}.tags || ',')"
    return " OR ".join(f"replace({tags}, {mark}, '') <> {tags}" for mark in marks)


def _of_model(table: str, marks: Sequence[str]) -> str:
    """By the model alone, or with its provider before it."""
    every = ", ".join(marks)
    return f"{table}.model IN ({every}) OR {table}.provider || '/' || {table}.model IN ({every})"


def _of_client(table: str, marks: Sequence[str]) -> str:
    """By its address, or by its name where that is known."""
    every = ", ".join(marks)
    hosts = f"SELECT address FROM client_hosts WHERE hostname IN ({every})"  # noqa: S608 - marks of ours
    return f"{table}.client IN ({every}) OR {table}.client IN ({hosts})"


FILTERS: dict[str, Callable[[str, Sequence[str]], str]] = {
    "tags": _with_tag,
    "providers": _one_of("provider"),
    "models": _of_model,
    "clients": _of_client,
    "aliases": _one_of("alias"),
    "tokens": _one_of("token_id"),
    "users": _one_of("username"),
    "names": _one_of("name"),
    "surfaces": _one_of("surface"),
    "routers": _one_of("router"),
    "caches": _one_of("cache"),
}
"""What can be filtered by, by the names that the API has for it."""
