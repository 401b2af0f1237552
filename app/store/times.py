"""How times are kept: whole milliseconds since 1970-01-01 UTC, and a day as the number of days since then.

An integer is unambiguous, sorts, subtracts and groups without a date function, and costs nothing to read.
"""

import time
from datetime import UTC, datetime, timedelta

MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def now_ms() -> int:
    """This moment."""
    return time.time_ns() // 1_000_000


def to_ms(moment: datetime) -> int:
    """The stored form of a moment that knows its zone; what is less than a millisecond is left out."""
    return (moment - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """A stored moment, in UTC."""
    return _EPOCH + timedelta(milliseconds=ms)
