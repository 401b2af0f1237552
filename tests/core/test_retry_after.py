"""`Retry-After`, in both of its forms and in none."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.core.retry_after import read_retry_after_s


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("120", 120.0), ("1.5", 1.5), ("-3", 0.0)])
def test_seconds_are_read(text: str, seconds: float) -> None:
    assert read_retry_after_s(text) == seconds


def test_date_is_read_as_the_time_until_then() -> None:
    at = datetime.now(UTC) + timedelta(hours=1)

    seconds = read_retry_after_s(format_datetime(at, usegmt=True))

    assert seconds is not None
    assert 3000 < seconds <= 3600


def test_date_that_is_over_is_now() -> None:
    assert read_retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("text", [None, "", "soon", "inf", "nan", "1e999", "Wed, 99 Oct 2015 07:28:00 GMT"])
def test_what_cannot_be_read_is_none(text: str | None) -> None:
    assert read_retry_after_s(text) is None
