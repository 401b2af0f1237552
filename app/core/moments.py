"""How moments are read from and written for machines."""

from datetime import UTC, datetime


def write_moment(moment: datetime) -> str:
    """In UTC, to the millisecond, by RFC 3339: `2026-11-22T09:30:00.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_utc(moment: datetime) -> datetime:
    """`moment` in UTC, which is its zone where it has none.

    Raises:
        ValueError: there it is none of the years 1 to 9999.
    """
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC that is none of the years 1 to 9999") from None
