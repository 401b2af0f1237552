"""What is noted often is written seldom, and never lost while the database is away."""

import asyncio
from pathlib import Path

import pytest

from app.metering.alerts import Alerts
from app.metering.notices import Notices
from app.store.alerts import MS_PER_HOUR
from app.store.db import Database, DatabaseUnavailable, open_database
from app.store.schema import upgrade
from tests.waiting import until

NOW = 1_790_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def read(database: Database, clock: Clock) -> list[tuple[str, int, int, int, str]]:
    return [
        (each.key.kind, each.count, each.first_at, each.last_at, each.message)
        for each in await Alerts(database, clock=clock).read()
    ]


async def test_those_of_an_hour_are_one_row_with_the_last_words(database: Database, clock: Clock) -> None:
    notices = Notices(database, clock=clock)
    for words in ("one", "two", "x" * 10_000):
        notices.note("webhook_refused", words)
        clock.now += 1
    notices.note("events_given_up", "g")
    await notices.write()
    await notices.write()
    notices.note("events_given_up", "h")
    clock.now += MS_PER_HOUR
    notices.note("events_given_up", "i")

    await notices.write()

    assert await read(database, clock) == [
        ("events_given_up", 3, NOW + 3, NOW + 3 + MS_PER_HOUR, "i"),
        ("webhook_refused", 3, NOW, NOW + 2, "x" * 500),
    ]
    assert await count_rows(database) == 3


async def test_they_wait_for_a_database_that_is_away(tmp_path: Path, clock: Clock) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'relay.db'}")  # without tables yet
    notices = Notices(database, clock=clock, write_s=0)
    notices.note("webhook_refused", "one")
    with pytest.raises(DatabaseUnavailable):
        await notices.write()
    clock.now += 1
    notices.note("webhook_refused", "two")

    task = asyncio.create_task(notices.run())
    await upgrade(database)
    await until(lambda: count_rows(database))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    found = await read(database, clock)
    await database.aclose()
    assert found == [("webhook_refused", 2, NOW, NOW + 1, "two")]


async def count_rows(database: Database) -> int:
    return len(await database.transact(lambda each: each.rows("SELECT kind FROM alerts", {}), writes=False))
