"""Queries on the log of calls."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from operator import itemgetter
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database
from app.store.tables import REQUEST_LOGS

PICO_USD = 10**12
"""The unit of `cost`, as parts of a USD."""

_MAX_BIGINT = 2**63 - 1
_COLUMNS = tuple(column.name for column in REQUEST_LOGS.columns)
_RECEIVED_AT, _COST = _COLUMNS.index("received_at"), _COLUMNS.index("cost")
_raw_values = itemgetter(*_COLUMNS)
_INSERT_MANY = (
    f"INSERT INTO request_logs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - our columns
    " ON CONFLICT (id) DO NOTHING"
)
_INSERT_ONE = text(
    f"INSERT INTO request_logs ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"  # noqa: S608
    " ON CONFLICT (id) DO NOTHING RETURNING id"
)
_COUNT = text(
    "UPDATE tokens SET lifetime_requests = lifetime_requests + :charged,"
    " last_used_at = CASE WHEN last_used_at > :last THEN last_used_at ELSE :last END WHERE id = :token_id"
)


async def insert_calls(db: Database, rows: Sequence[Mapping[str, object]]) -> None:
    """Log calls, each once, however often it is given, and count them on their tokens.

    A row has every column of `request_logs` as a key, `received_at` in seconds since the epoch, `cost` as a Decimal in
    USD or None, and `charged`: whether it counts for the token's lifetime.

    Raises:
        DatabaseUnavailable: nothing was written; give the same rows again.
        KeyError: a row lacks a column.
    """
    if not rows:
        return
    if db.path is None or not await _insert_fresh(db, rows):
        await _insert_each(db, rows)


def to_pico_usd(cost: Decimal) -> int:
    """The stored form of a cost in USD, to the nearest 1e-12 USD and within what a column can hold."""
    if not cost.is_finite():
        return 0
    return max(-_MAX_BIGINT, min(_MAX_BIGINT, int((cost * PICO_USD).to_integral_value(ROUND_HALF_EVEN))))


def from_pico_usd(cost: int) -> Decimal:
    """A stored cost, in USD."""
    return Decimal(cost) / PICO_USD


async def _insert_fresh(db: Database, rows: Sequence[Mapping[str, object]]) -> bool:
    """The short way, past SQLAlchemy: all rows by one call of the driver. False, and nothing done, where a row is not new."""
    try:
        async with db.begin() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None  # noqa: S101 - of a live connection
            async with driver.executemany(_INSERT_MANY, [_values(row) for row in rows]) as cursor:
                if cursor.rowcount != len(rows):
                    raise _NotAllNew
            await _count(connection, rows)
    except (_NotAllNew, UnicodeEncodeError, OverflowError):
        return False
    return True


class _NotAllNew(Exception):
    """Rolls the short way back."""


def _values(row: Mapping[str, Any]) -> list[object]:
    values: list[object] = list(_raw_values(row))
    values[_RECEIVED_AT] = _stored_time(row["received_at"])
    values[_COST] = _stored_cost(row["cost"])
    return values


def _stored_time(seconds: float) -> int:
    return int(seconds * 1000)


def _stored_cost(cost: Decimal | None) -> int | None:
    return None if cost is None else to_pico_usd(cost)


async def _insert_each(db: Database, rows: Sequence[Mapping[str, object]]) -> None:
    async with db.begin() as connection:
        fresh = [
            row
            for row in rows
            if (await connection.execute(_INSERT_ONE, _storable(row))).scalar_one_or_none() is not None
        ]
        await _count(connection, fresh)


async def _count(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    charged: defaultdict[str, int] = defaultdict(int)
    last: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        token_id = row["token_id"]
        charged[token_id] += bool(row["charged"])
        last[token_id] = max(last[token_id], _stored_time(row["received_at"]))
    # In the order of their ids, so that two workers never wait for each other crosswise.
    counts = [{"token_id": key, "charged": charged[key], "last": last[key]} for key in sorted(charged)]
    if counts:
        await connection.execute(_COUNT, counts)


def _storable(row: Mapping[str, object]) -> dict[str, object]:
    return {name: _storable_value(value) for name, value in zip(_COLUMNS, _values(row), strict=True)}


def _storable_value(value: object) -> object:
    """What a database takes: no lone surrogate, no NUL, no integer beyond 64 bits. A client can send all three."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\0", "?")
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_MAX_BIGINT, min(_MAX_BIGINT, value))
    return value
