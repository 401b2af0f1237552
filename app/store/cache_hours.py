"""What caches count, by the hour: so that it can be told of a period. It is written with their totals, and stays when a cache is gone."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database
from app.store.rollups import HOURS_PER_DAY, MILL
from app.store.selection import Selection

COUNTS = ("total_requests", "cache_hits", "tokens_saved", "cost_saved")
"""Its columns, by the names that the totals of a cache have."""

_ADD = (
    f"INSERT INTO cache_hours (cache_id, hour, {', '.join(COUNTS)})"  # noqa: S608 - our columns
    f" VALUES (:cache_id, :hour, {', '.join(f':{name}' for name in COUNTS)}) ON CONFLICT (cache_id, hour) DO UPDATE SET "
    + ", ".join(f"{name} = cache_hours.{name} + excluded.{name}" for name in COUNTS)
)
_SUM = (
    f"SELECT sum(total_requests), sum(cache_hits), sum(tokens_saved), sum(cost_saved / {MILL}), sum(cost_saved % {MILL})"  # noqa: S608 - a number
    " FROM cache_hours WHERE hour >= :first AND hour < :last"
)


class CacheSums(NamedTuple):
    """What caches counted together; `cost_saved` is in pico-USD."""

    total_requests: int
    cache_hits: int
    tokens_saved: int
    cost_saved: int


async def add_to_hour(connection: AsyncConnection, cache_id: str, hour: int, counts: Mapping[str, int]) -> None:
    """Add to what a cache counted in an hour since 1970."""
    values = {"cache_id": cache_id, "hour": hour, **dict.fromkeys(COUNTS, 0), **counts}
    await connection.execute(text(_ADD), values)


async def sum_cache_hours(db: Database, selection: Selection) -> CacheSums:
    """What all caches counted in the period, also those that are gone; its filters say nothing here.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    bounds = {"first": selection.first_day * HOURS_PER_DAY, "last": (selection.last_day + 1) * HOURS_PER_DAY}
    async with db.read() as connection:
        row = (await connection.execute(text(_SUM), bounds)).one()
    requests, hits, tokens, mills, rest = (int(value or 0) for value in row)
    return CacheSums(requests, hits, tokens, mills * MILL + rest)
