"""How long clients wait for the first byte: percentiles of a period, from the histogram of each hour."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.store.db import Database
from app.store.first_bytes import middle_of, sum_first_bytes
from app.store.selection import Selection


@dataclass(frozen=True, slots=True)
class Waits:
    """Of `calls`, those of clients' own that had a first byte; 5 % off at most, None where there are none."""

    calls: int
    p50_ms: float | None
    p95_ms: float | None


async def read_waits(db: Database, selection: Selection) -> Waits:
    """Of all calls of the period; its filters say nothing here.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    buckets = await sum_first_bytes(db, selection)
    return Waits(sum(calls for _, calls in buckets), percentile(buckets, 0.5), percentile(buckets, 0.95))


def percentile(buckets: Sequence[tuple[int, int]], share: float) -> float | None:
    """The milliseconds within which that share of calls had its first byte."""
    left = share * sum(calls for _, calls in buckets)
    for bucket, calls in buckets:
        left -= calls
        if left <= 0:
            return round(middle_of(bucket), 1)
    return None
