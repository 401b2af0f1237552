"""`Retry-After`, as servers write it."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def read_retry_after_s(text: str | None) -> float | None:
    """It in seconds, from either of its forms (RFC 9110, 10.2.3); None where it cannot be read."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError, TypeError):
        return None
