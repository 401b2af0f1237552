"""Queries on the log of calls."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, TypeVar

from app.core.money import PICO_USD, to_pico_usd
from app.store.db import Database
from app.store.first_bytes import FirstBytes, add_first_bytes
from app.store.limits import Settled, settle
from app.store.rollups import CLASSES, add_sums, add_totals, sum_up
from app.store.statements import Statements
from app.store.tables import REQUEST_LOGS

T = TypeVar("T")
Row = dict[str, Any]
Also = Callable[[Statements, Sequence[str]], None]

# Of one call: 100,000 USD, and a million times as many tokens as any model takes. What is more is nonsense of a provider's,
# and the sums must have room for it.
_MOST = 100_000 * PICO_USD
_MOST_COUNTED = 10**12
_COLUMNS = tuple(column.name for column in REQUEST_LOGS.columns)
_TOKENS = tuple(name for name in _COLUMNS if name.endswith("_tokens"))
_read_counts = itemgetter(*CLASSES)
_read_columns = itemgetter(*_COLUMNS)
# By one statement: fewer round trips to a server, for SQLite half the CPU time, and no more values than either takes.
_AT_ONCE = 64
_COUNT = (
    "UPDATE tokens SET lifetime_requests = lifetime_requests + :charged,"
    " last_used_at = CASE WHEN last_used_at > :last THEN last_used_at ELSE :last END WHERE id = :token_id"
)


def _no_more(_statements: Statements, _ids: Sequence[str]) -> None:
    pass


async def insert_calls(db: Database, rows: Iterable[Mapping[str, object]], also: Also = _no_more) -> None:
    """Log calls, each once, however often it is given, count them on their tokens, and add them to the sums.

    A row has every column of `request_logs` as a key, `received_at` in seconds since the epoch, and both costs as a Decimal
    in USD or None. `charged` tells whether it counts for the token's lifetime. `holds`, where there is any, is what the call
    reserved of limits; it is settled with the row.

    Args:
        rows: gone through more than once.
        also: what is to happen in the same transaction, with the ids of those that are new.

    Raises:
        DatabaseUnavailable: nothing was written; give the same rows again.
    """
    # A server does not say of many rows how many were new.
    if db.path is not None and await _insert_if_all_new(db, rows, also):
        return
    if mended := [_mended(_stored(row)) for row in rows]:
        await db.transact(lambda statements: _insert_each(statements, mended, also))


class _Batch:
    """What calls leave in the database. Their rows are gone through once and not kept: as mappings they take ten times the room."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.ids: list[str] = []
        self.values: list[Sequence[object]] = []
        self.held: list[Settled] = []
        self._charged: defaultdict[str, int] = defaultdict(int)
        self._last: dict[str, int] = {}
        first_bytes = FirstBytes()
        self.keys, self.hours = sum_up(first_bytes.counting(self._noted(rows)))
        self.first_bytes = first_bytes.buckets

    def _noted(self, rows: Iterable[Row]) -> Iterator[Row]:
        charged, last = self._charged, self._last
        for row in rows:
            self.ids.append(row["id"])
            self.values.append(_read_columns(row))
            if row.get("holds"):
                self.held.append(_settled(row))
            token_id, received_at = row["token_id"], row["received_at"]
            charged[token_id] += bool(row["charged"])
            if received_at > last.get(token_id, -1):
                last[token_id] = received_at
            yield row

    @property
    def counts(self) -> Sequence[Mapping[str, object]]:
        """Of each token, in the order of their ids, so that two workers never wait for each other crosswise."""
        return [{"token_id": key, "charged": self._charged[key], "last": self._last[key]} for key in sorted(self._last)]


class _NotAllNew(Exception):
    """Rolls the short way back."""


async def _insert_if_all_new(db: Database, rows: Iterable[Mapping[str, object]], also: Also) -> bool:
    """The short way. False, and nothing done, where a row is there already or needs mending."""

    def insert(statements: Statements) -> None:
        for chunk in _chunks(batch.values):
            values = list(chain.from_iterable(chunk))
            if statements.each(_insert_several(len(chunk)), [values]) != len(chunk):
                raise _NotAllNew
        _account(statements, batch, also)

    try:
        batch = _Batch(map(_stored, rows))
        if batch.ids:
            await db.transact(insert)
    except (_NotAllNew, UnicodeEncodeError, OverflowError):
        return False
    return True


def _insert_each(statements: Statements, rows: Sequence[Row], also: Also) -> None:
    new: set[str] = set()
    for chunk in _chunks(rows):
        values = {f"{name}_{number}": row[name] for number, row in enumerate(chunk) for name in _COLUMNS}
        new.update(row_id for (row_id,) in statements.rows(_insert_and_tell(len(chunk)), values))
    # The last of an id first, so that of those that were given twice the first one stays.
    inserted = {row["id"]: row for row in reversed(rows) if row["id"] in new}
    _account(statements, _Batch(row for row in rows if inserted.get(row["id"]) is row), also)


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces of 64, 32, 16 … rows, so that there are few statements for a database to know."""
    begin = 0
    while left := len(rows) - begin:
        size = min(_AT_ONCE, 1 << (left.bit_length() - 1))
        yield rows[begin : begin + size]
        begin += size


@lru_cache
def _insert_several(count: int) -> str:
    return _insert([f"({', '.join('?' * len(_COLUMNS))})"] * count)


@lru_cache
def _insert_and_tell(count: int) -> str:
    rows = [f"({', '.join(f':{name}_{number}' for name in _COLUMNS)})" for number in range(count)]
    return f"{_insert(rows)} RETURNING id"


def _insert(rows: Sequence[str]) -> str:
    return f"INSERT INTO request_logs ({', '.join(_COLUMNS)}) VALUES {', '.join(rows)} ON CONFLICT (id) DO NOTHING"  # noqa: S608 - our columns


def _account(statements: Statements, batch: _Batch, also: Also) -> None:
    """Count calls that are new wherever calls are counted."""
    if not batch.ids:
        return
    statements.many(_COUNT, batch.counts)
    totals = add_sums(statements, batch.keys, batch.hours)
    if batch.held:
        settle(statements, batch.held)
    also(statements, batch.ids)
    add_first_bytes(statements, batch.first_bytes)
    add_totals(statements, totals)


def _settled(row: Row) -> Settled:
    tokens = sum(row[name] for name in _TOKENS)
    # Nothing was used, whatever the price.
    cost = row["cost"] if row["cost"] is not None or tokens or row["requests"] else 0
    return Settled(row["id"], row["holds"], int(row["attempts"] > 0), tokens, cost)


def _stored(row: Mapping[str, Any]) -> Row:
    stored = {**row, "received_at": int(row["received_at"] * 1000)}
    for name in ("cost", "reported_cost"):
        if (cost := row[name]) is not None:
            stored[name] = _bounded(to_pico_usd(cost))
    counts = _read_counts(row)
    if min(counts) < 0 or max(counts) > _MOST_COUNTED:
        stored |= {name: max(0, min(_MOST_COUNTED, row[name])) for name in CLASSES}
    return stored


def _mended(row: Row) -> Row:
    return {name: _mended_value(value) for name, value in row.items()}


def _mended_value(value: object) -> object:
    """What a database takes: no lone surrogate, no NUL, no number that no sum has room for. A client can send all three."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\0", "?")
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value)
    return value


def _bounded(value: int) -> int:
    return max(-_MOST, min(_MOST, value))
