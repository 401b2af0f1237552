"""How moments are written for machines."""

from datetime import UTC, datetime


def write_moment(moment: datetime) -> str:
    """In UTC, to the millisecond, by RFC 3339: `2026-11-22T09:30:00.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
