"""How long first bytes take: a logarithmic histogram of each hour, so that percentiles of a million calls are read in a moment.

A bucket is an eighth of a doubling: whoever takes its middle is 5 % off at most.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.store.db import Database
from app.store.rollups import HOURS_PER_DAY
from app.store.selection import Selection
from app.store.statements import Statements
from app.store.times import MS_PER_HOUR

STEPS = 8
"""Buckets in each doubling."""

Buckets = Mapping[tuple[int, int], int]
"""How many calls, by bucket and hour: in the order of the primary key."""

_ADD = (
    "INSERT INTO usage_first_bytes (bucket, hour, calls) VALUES (?, ?, ?)"
    " ON CONFLICT (bucket, hour) DO UPDATE SET calls = usage_first_bytes.calls + excluded.calls"
)
# All that there can be, up to times that no column holds: each is looked up in the key, which takes a fifth of sorting rows.
_EACH = "WITH RECURSIVE each_one(bucket) AS (SELECT 0 UNION ALL SELECT bucket + 1 FROM each_one WHERE bucket < 512)"
_IN_PERIOD = "f.bucket = each_one.bucket AND f.hour >= :first AND f.hour < :last"
_SUM = (
    f"{_EACH} SELECT bucket, (SELECT sum(f.calls) FROM usage_first_bytes f WHERE {_IN_PERIOD}) FROM each_one"  # noqa: S608 - ours
    " ORDER BY bucket"
)
_READ = f"{_EACH} SELECT f.bucket, f.hour, f.calls FROM each_one CROSS JOIN usage_first_bytes f WHERE {_IN_PERIOD}"  # noqa: S608 - ours


class FirstBytes:
    """Counts those of rows of `request_logs` as they go by: of clients' own calls that had one, as the sums do."""

    def __init__(self) -> None:
        self.buckets: Counter[tuple[int, int]] = Counter()

    def counting(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The same rows."""
        buckets = self.buckets
        for row in rows:
            first_byte_ms = row["first_byte_ms"]
            if first_byte_ms is not None and row["parent_id"] is None:
                buckets[bucket_of(first_byte_ms), row["received_at"] // MS_PER_HOUR] += 1
            yield row


def bucket_of(ms: int) -> int:
    """1 + log2(ms) in steps of an eighth, rounded down, without a rounding error; 0 for 0."""
    return int(ms**STEPS).bit_length()


def middle_of(bucket: int) -> float:
    """The milliseconds that stand for a bucket."""
    return 2.0 ** ((bucket - 0.5) / STEPS) if bucket else 0.0


def add_first_bytes(statements: Statements, buckets: Buckets) -> None:
    """Add what `FirstBytes` counted. All workers write these rows: they come just before the totals, in their order."""
    if buckets:
        statements.each(_ADD, [(*where, buckets[where]) for where in sorted(buckets)])


def read_buckets(statements: Statements, first_hour: int, until_hour: int) -> Buckets:
    """What is kept of some hours."""
    rows = statements.rows(_READ, {"first": first_hour, "last": until_hour})
    return {(bucket, hour): calls for bucket, hour, calls in rows}


async def sum_first_bytes(db: Database, selection: Selection) -> list[tuple[int, int]]:
    """The buckets of the period with their calls, the quickest first; its filters say nothing here.

    Raises:
        DatabaseUnavailable: the database cannot be read.
    """
    values = {"first": selection.first_day * HOURS_PER_DAY, "last": (selection.last_day + 1) * HOURS_PER_DAY}
    rows = await db.transact(lambda statements: statements.rows(_SUM, values), writes=False)
    return [(int(bucket), int(calls)) for bucket, calls in rows if calls]
