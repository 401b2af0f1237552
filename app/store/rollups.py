"""Sums of calls by hour and by day, kept in the transaction that writes the calls: reports read these and never the calls.

Statements always come in one order: keys, hours, days, first bytes, totals, and within each by their primary key. So two workers never
wait for each other crosswise. Totals have one row for all calls of an hour, which every worker writes: they are the last
statement of their transaction, so that on a server that row is locked for one round trip and the commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

from app.core.money import PICO_USD
from app.core.reply import went_well
from app.store.statements import Statements
from app.store.times import MS_PER_HOUR

KEY = (
    "token_id",
    "username",
    "tags",
    "name",
    "alias",
    "router",
    "cache",
    "augmentor",
    "provider",
    "model",
    "surface",
    "client",
)
"""What calls have in common that are summed up together; columns of `request_logs` and of `usage_keys`."""

COUNTED = ("calls", "helper_calls", "ok", "charged", "cache_hits", "estimated", "unpriced")
"""Sums that count calls."""

CLASSES = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "images",
    "searches",
    "audio_ms",
    "requests",
)
"""Sums of the classes of usage, in the order of `Usage`, by the names that they have in `request_logs`."""

SUMS = (*COUNTED, *CLASSES, "cost", "total_ms", "first_byte_ms", "first_bytes")
"""All sums, by their columns."""

HOURS_PER_DAY = 24

MILL = PICO_USD // 1000
"""A thousandth of a USD, in pico-USD. Over nine million USD are more than a column holds, so where there may be as much it is told in two parts."""

Key = tuple[str, ...]
Amounts = tuple[int, ...]
Sums = dict[tuple[int, int], Amounts]
"""By period and id of the key."""

Totals = dict[int, Amounts]
"""By hour."""

Change = tuple[Mapping[str, Any], int | None, int | None]
"""A row of `request_logs` with at least `received_at` and all of `KEY`, its old and its new cost in pico-USD; None for unknown."""


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _upsert(table: str, key: tuple[str, ...], sums: tuple[str, ...] = SUMS) -> str:
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({', '.join(key + sums)}) VALUES ({_marks(len(key + sums))})"  # noqa: S608 - our columns
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"
    )


_INSERT_KEY = (
    f"INSERT INTO usage_keys (id, {', '.join(KEY)}) VALUES ({_marks(1 + len(KEY))})"  # noqa: S608 - our columns
    " ON CONFLICT (id) DO NOTHING"
)
_ADD_HOUR = _upsert("usage_hours", ("hour", "key_id"))
_ADD_DAY = _upsert("usage_days", ("day", "key_id"))
_ADD_TOTAL = _upsert("usage_totals", ("hour",), (*SUMS, "cost_mills"))

_COST = SUMS.index("cost")

_read_key = itemgetter(*KEY)
_read_classes = itemgetter(*CLASSES)


def add_sums(statements: Statements, keys: Mapping[int, Key], hours: Sums) -> Totals:
    """Add what `sum_up` made of rows of `request_logs`, which are new there, to the sums by key; what is left for `add_totals`."""
    _add(statements, keys, hours)
    return by_hour(hours)


def add_totals(statements: Statements, totals: Totals) -> None:
    """Add the totals of what was added by key: the last statement of the same transaction."""
    if totals:
        statements.each(_ADD_TOTAL, [_parted(hour, totals[hour]) for hour in sorted(totals)])


def change_costs(statements: Statements, changes: Iterable[Change]) -> None:
    """Put the difference of costs that rows were given into all sums, the totals last."""
    hours: Sums = {}
    for row, old, new in changes:
        where = row["received_at"] // MS_PER_HOUR, key_id(key_of(row))
        amounts = dict.fromkeys(SUMS, 0)
        amounts["unpriced"] = (new is None) - (old is None)
        amounts["cost"] = (new or 0) - (old or 0)
        hours[where] = tuple(map(int.__add__, hours.get(where, (0,) * len(SUMS)), amounts.values()))
    _add(statements, {}, hours)
    add_totals(statements, by_hour(hours))


def sum_up(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[int, Key], Sums]:
    """The keys of `rows` by their ids, and the sums by hour."""
    groups: dict[tuple[tuple[str | None, ...], int], list[Amounts]] = {}
    for row in rows:
        where = _read_key(row), row["received_at"] // MS_PER_HOUR
        amounts = _amounts(row)
        if where in groups:
            groups[where].append(amounts)
        else:
            groups[where] = [amounts]
    keys: dict[int, Key] = {}
    sums: Sums = {}
    for (parts, hour), each in groups.items():
        key = tuple([part or "" for part in parts])
        keys[id_ := key_id(key)] = key
        # Absent and empty names are one key.
        if (hour, id_) in sums:
            each.append(sums[hour, id_])
        sums[hour, id_] = _sum(each)
    return keys, sums


def by_day(hours: Sums) -> Sums:
    """The sums of whole days."""
    days: dict[tuple[int, int], list[Amounts]] = {}
    for (hour, id_), amounts in hours.items():
        days.setdefault((hour // HOURS_PER_DAY, id_), []).append(amounts)
    return {where: _sum(each) for where, each in days.items()}


def by_hour(hours: Sums) -> Totals:
    """The sums over all keys."""
    totals: dict[int, list[Amounts]] = {}
    for (hour, _), amounts in hours.items():
        totals.setdefault(hour, []).append(amounts)
    return {hour: _sum(each) for hour, each in totals.items()}


def key_of(row: Mapping[str, Any]) -> Key:
    """What a row has in common with others."""
    return tuple([part or "" for part in _read_key(row)])


def key_id(key: Key) -> int:
    """A digest of 63 bits. Among a million keys two are the same with a chance of 1 in 18 million."""
    return int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest()) >> 1


def _amounts(row: Mapping[str, Any]) -> Amounts:
    """In the order of `SUMS`."""
    helper = row["parent_id"] is not None
    cost, first_byte_ms = row["cost"], row["first_byte_ms"]
    begun = not (helper or first_byte_ms is None)
    return (
        0 if helper else 1,
        1 if helper else 0,
        0 if helper or not went_well(row["status"], row["outcome"]) else 1,
        +row["charged"],  # a number: a server tells that from a truth value
        +row["cache_hit"],
        +row["usage_estimated"],
        1 if cost is None else 0,
        *_read_classes(row),
        cost or 0,
        0 if helper else row["total_ms"],
        first_byte_ms if begun else 0,
        +begun,
    )


def _parted(hour: int, amounts: Amounts) -> tuple[int, ...]:
    mills, rest = divmod(amounts[_COST], MILL)
    return (hour, *amounts[:_COST], rest, *amounts[_COST + 1 :], mills)


def _sum(each: Sequence[Amounts]) -> Amounts:
    return each[0] if len(each) == 1 else tuple(map(sum, zip(*each, strict=True)))


def _add(statements: Statements, keys: Mapping[int, Key], hours: Sums) -> None:
    if keys:
        statements.each(_INSERT_KEY, [(id_, *keys[id_]) for id_ in sorted(keys)])
    if hours:
        statements.each(_ADD_HOUR, _values(hours))
        statements.each(_ADD_DAY, _values(by_day(hours)))


def _values(sums: Sums) -> list[tuple[int, ...]]:
    return [where + sums[where] for where in sorted(sums)]
