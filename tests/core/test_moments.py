"""Moments are written in one form, whatever their zone and their fractions."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.core.moments import write_moment

MOMENT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (MOMENT, "2026-11-22T09:30:00.000Z"),
        (MOMENT.replace(microsecond=120_999), "2026-11-22T09:30:00.120Z"),
        (MOMENT.astimezone(timezone(timedelta(hours=2))), "2026-11-22T09:30:00.000Z"),
    ],
)
def test_moment_is_written_in_utc_with_milliseconds(moment: datetime, written: str) -> None:
    assert write_moment(moment) == written
