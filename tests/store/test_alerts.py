"""Alerts in the database: counted by the hour, hidden for a while, forgotten when they are old."""

import asyncio
from collections.abc import Callable

import pytest

from app.core.alert import AlertKey
from app.store.alerts import (
    AlertHour,
    NoAlert,
    count_alerts,
    dismiss_alert,
    forget_alerts,
    read_alerts,
)
from app.store.db import Database

KEY = AlertKey("auth_error", "openai", "gpt-x", 401)
OTHER = AlertKey("auth_error", "openai", "gpt-x", 403)


def hour_of(key: AlertKey = KEY, hour: int = 1, count: int = 1, at: int = 3_600_000, message: str = "no") -> AlertHour:
    return AlertHour(key, hour, count, at, at, message)


async def count(database: Database, *hours: AlertHour) -> None:
    await database.transact(lambda statements: count_alerts(statements, hours))


async def test_same_alert_within_an_hour_is_one_row_with_the_last_words(database: Database) -> None:
    await count(database, hour_of(at=3_600_100, message="first"))
    await count(database, hour_of(at=3_600_300, count=4, message="last"))
    await count(database, hour_of(at=3_600_200, message="late"))

    assert await read_alerts(database, 0) == [AlertHour(KEY, 1, 6, 3_600_100, 3_600_300, "last")]


async def test_other_hours_and_other_statuses_are_rows_of_their_own_the_last_one_first(database: Database) -> None:
    rows = [hour_of(), hour_of(hour=2, at=7_200_000), hour_of(OTHER, at=3_700_000)]

    await count(database, *rows)

    assert await read_alerts(database, 0) == [rows[1], rows[2], rows[0]]


async def test_only_what_happened_since_is_read(database: Database) -> None:
    await count(database, hour_of(), hour_of(hour=2, at=7_200_000))

    assert [each.hour for each in await read_alerts(database, 7_200_000)] == [2]


async def test_counts_of_many_at_once_are_all_there(
    open_another: Callable[[str], Database], database: Database
) -> None:
    others = [database, open_another("relay.db"), open_another("relay.db")]

    await asyncio.gather(*(count(each, hour_of(), hour_of(OTHER)) for each in others for _ in range(20)))

    assert sorted(each.count for each in await read_alerts(database, 0)) == [60, 60]


async def test_dismissed_alert_is_hidden_until_it_happens_after_that_time(database: Database) -> None:
    await count(database, hour_of(), hour_of(OTHER))

    await dismiss_alert(database, KEY, until=9_000_000)
    assert [each.key for each in await read_alerts(database, 0)] == [OTHER]

    await count(database, hour_of(hour=2, at=9_000_000))
    assert [each.key for each in await read_alerts(database, 0)] == [OTHER]
    await count(database, hour_of(hour=2, at=9_000_001))
    assert [(each.key, each.hour) for each in await read_alerts(database, 0)] == [(KEY, 2), (OTHER, 1)]


async def test_alert_that_never_was_cannot_be_dismissed(database: Database) -> None:
    await count(database, hour_of())

    with pytest.raises(NoAlert):
        await dismiss_alert(database, OTHER, until=9_000_000)


async def test_old_alerts_and_dismissals_are_forgotten(database: Database) -> None:
    await count(database, hour_of(), hour_of(hour=2, at=7_200_000), hour_of(OTHER, hour=2, at=7_200_000))
    await dismiss_alert(database, KEY, until=4_000_000)
    await dismiss_alert(database, OTHER, until=8_000_000)

    await forget_alerts(database, before=7_200_000)

    assert [each.key for each in await read_alerts(database, 0)] == [KEY]
    left = await database.transact(lambda each: each.rows("SELECT status FROM alert_dismissals", {}), writes=False)
    assert [tuple(row) for row in left] == [(403,)]


async def test_text_that_no_database_takes_is_mended(database: Database) -> None:
    await count(database, hour_of(AlertKey("not_found", "openai", "\ud800\0", 404), message="\ud800"))

    (row,) = await read_alerts(database, 0)
    assert (row.key.model, row.message) == ("??", "?")
