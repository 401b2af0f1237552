"""The grammar of `--since` and `--until`: UTC days, a number of days, or moments."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from app.core.moments import in_utc
from cli.output import fail

SINCE_HELP = "A UTC day, how many days with today, such as 7d, or a moment in ISO 8601."
UNTIL_HELP = "The last UTC day, or before which moment; absent: now."

MOST_DAYS = 3660
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """A time, in UTC; `end` is no longer in it."""

    start: datetime
    end: datetime

    @property
    def days(self) -> tuple[date, date]:
        """Its first and its last day. Ends the command where it is not made of whole days."""
        if any(moment != _start_of(moment.date()) for moment in (self.start, self.end)):
            fail("This goes by whole UTC days: write YYYY-MM-DD, or a number of days such as 7d.")
        return self.start.date(), (self.end - _DAY).date()


def read_period(since: str, until: str | None) -> Period:
    """What was said, up to the end of today where `until` was not. Ends the command where that is no period."""
    try:
        start, end = _read_both(since, until)
    except OverflowError:
        fail("That is beyond the years 1 to 9999.")
    if start >= end:
        fail(f"From {since} to {until or 'today'} is no period: it ends before it begins.")
    return Period(start, end)


def _read_both(since: str, until: str | None) -> tuple[datetime, datetime]:
    end = _start_of(datetime.now(UTC).date()) + _DAY if until is None else _read(until, "--until", _DAY)
    number = since.strip().removesuffix("d")
    if not (since.strip().endswith("d") and number.isdecimal()):
        return _read(since, "--since", timedelta()), end
    if not 0 < int(number) <= MOST_DAYS:
        fail(f"--since {since!r} is not a number of days from 1d to {MOST_DAYS}d.")
    last = (end - timedelta(microseconds=1)).date()
    return _start_of(last) - (int(number) - 1) * _DAY, end


def _read(text: str, option: str, of_a_day: timedelta) -> datetime:
    """A moment; of a day its start, and so much more."""
    try:
        return _start_of(date.fromisoformat(text.strip())) + of_a_day
    except ValueError:
        pass
    try:
        return in_utc(datetime.fromisoformat(text.strip()))
    except ValueError:
        days = ", a number of days such as 7d" if option == "--since" else ""
        fail(f"{option} {text!r} is no time: write YYYY-MM-DD{days}, or a moment such as 2026-11-01T14:00 (UTC).")


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
