"""Sums of calls by hour and by day, kept in the transaction that writes the calls: reports read these and never the calls.

Statements always come in one order: keys, hours, days, and within each by their primary key. So two workers never wait for
each other crosswise.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

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
    "requests",
    "audio_ms",
)
"""Sums of the classes of usage, by the names that they have in `request_logs`."""

SUMS = (*COUNTED, *CLASSES, "cost", "total_ms", "first_byte_ms", "first_bytes")
"""All sums, by their columns."""

HOURS_PER_DAY = 24

Key = tuple[str, ...]
Amounts = tuple[int, ...]
Sums = dict[tuple[int, int], Amounts]
"""By period and id of the key."""


Change = tuple[Mapping[str, Any], int | None, int | None]
"""A row of `request_logs` with at least `received_at` and all of `KEY`, its old and its new cost in pico-USD; None for unknown."""


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _upsert(table: str, period: str) -> str:
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMS)
    return (
        f"INSERT INTO {table} ({period}, key_id, {', '.join(SUMS)}) VALUES ({_marks(2 + len(SUMS))})"  # noqa: S608 - our columns
        f" ON CONFLICT ({period}, key_id) DO UPDATE SET {added}"
    )


_INSERT_KEY = (
    f"INSERT INTO usage_keys (id, {', '.join(KEY)}) VALUES ({_marks(1 + len(KEY))})"  # noqa: S608 - our columns
    " ON CONFLICT (id) DO NOTHING"
)
_ADD_HOUR = _upsert("usage_hours", "hour")
_ADD_DAY = _upsert("usage_days", "day")

_ERROR_STATUS = 400

_read_key = itemgetter(*KEY)
_read_classes = itemgetter(*CLASSES)


def add_calls(statements: Statements, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows of `request_logs`, which are new there, to the sums."""
    keys, hours = sum_up(rows)
    _add(statements, keys, hours)


def change_costs(statements: Statements, changes: Iterable[Change]) -> None:
    """Put the difference of costs that rows were given into the sums."""
    hours: Sums = {}
    for row, old, new in changes:
        where = row["received_at"] // MS_PER_HOUR, key_id(key_of(row))
        amounts = dict.fromkeys(SUMS, 0)
        amounts["unpriced"] = (new is None) - (old is None)
        amounts["cost"] = (new or 0) - (old or 0)
        hours[where] = tuple(map(int.__add__, hours.get(where, (0,) * len(SUMS)), amounts.values()))
    _add(statements, {}, hours)


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
        sums[hour, id_] = each[0] if len(each) == 1 else tuple(map(sum, zip(*each, strict=True)))
    return keys, sums


def by_day(hours: Sums) -> Sums:
    """The sums of whole days."""
    days: dict[tuple[int, int], list[Amounts]] = {}
    for (hour, id_), amounts in hours.items():
        days.setdefault((hour // HOURS_PER_DAY, id_), []).append(amounts)
    return {
        where: each[0] if len(each) == 1 else tuple(map(sum, zip(*each, strict=True))) for where, each in days.items()
    }


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
        0 if helper or row["status"] >= _ERROR_STATUS else 1,
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


def _add(statements: Statements, keys: Mapping[int, Key], hours: Sums) -> None:
    if keys:
        statements.each(_INSERT_KEY, [(id_, *keys[id_]) for id_ in sorted(keys)])
    if hours:
        statements.each(_ADD_HOUR, _values(hours))
        statements.each(_ADD_DAY, _values(by_day(hours)))


def _values(sums: Sums) -> list[tuple[int, ...]]:
    return [where + sums[where] for where in sorted(sums)]
