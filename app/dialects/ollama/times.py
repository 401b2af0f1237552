"""Points in time, as Ollama writes them (RFC 3339) and as seconds since the epoch; and how long a call took."""

import time
from datetime import UTC, datetime

from app.core.jsonio import Json
from app.dialects.dialect import About

_LAST = 253402300799  # the end of the year 9999


def read_time(value: Json) -> int | None:
    """The second that `value` tells; None where it tells none. Go's zero time, of the year 1, is none."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return int(seconds) if seconds > 0 else None


def write_time(seconds: int) -> str:
    """The same as text; what no calendar has becomes the nearest that one has."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def took_ns(about: About) -> int:
    """Nanoseconds since the call came; 0 where nobody is told."""
    return 0 if about.began_s is None else time.monotonic_ns() - int(about.began_s * 1e9)
