"""What operators are told of: counted once a call, the critical first, dismissed for a day."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from app.core.alert import AlertKey
from app.core.errors import Unavailable
from app.core.record import CallRecord, Failure
from app.core.reply import Outcome
from app.core.usage import NO_USAGE
from app.metering.alerts import DISMISSED_MS, KEPT_DAYS, Alerts, watch_backlog
from app.metering.rows import insert_records
from app.store.db import Database
from app.store.times import MS_PER_DAY, from_ms
from tests.calls import make_record

NOW = 1_790_000_000_000
REFUSED = Failure("auth_error", "openai", "gpt-x", 401, "Incorrect API key provided.")
DOWN = Failure("server_error", "openai", "gpt-x", 503, "Overloaded.")


def record(request_id: str, *failures: Failure, at_ms: int = NOW, **fields: Any) -> CallRecord:
    fields = {"cost": Decimal(1), "received_at": at_ms / 1000, "total_ms": 0} | fields
    return make_record(id=request_id, failures=failures, **fields)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alerts(database: Database, clock: Clock) -> Alerts:
    return Alerts(database, clock=clock)


async def test_failures_of_attempts_are_counted_also_of_calls_that_went_well(
    database: Database, alerts: Alerts
) -> None:
    await insert_records(database, [record("a", REFUSED, DOWN), record("b", DOWN, DOWN, at_ms=NOW + 5)])

    found = await alerts.read()

    assert [(each.key, each.count, each.first_at, each.last_at, each.message) for each in found] == [
        (AlertKey("auth_error", "openai", "gpt-x", 401), 1, NOW, NOW, "Incorrect API key provided."),
        (AlertKey("server_error", "openai", "gpt-x", 503), 3, NOW, NOW + 5, "Overloaded."),
    ]
    assert [each.is_critical for each in found] == [True, False]


async def test_record_that_comes_again_is_not_counted_again(database: Database, alerts: Alerts) -> None:
    await insert_records(database, [record("a", DOWN)])

    await insert_records(database, [record("a", DOWN), record("b", DOWN), record("b", DOWN)])

    assert [each.count for each in await alerts.read()] == [2]


async def test_critical_alerts_are_first_then_the_most_frequent(database: Database, alerts: Alerts) -> None:
    limited = Failure("rate_limit", "openai", "gpt-x", 429, "Slow down.")

    await insert_records(database, [record("a", DOWN, limited, limited, limited, REFUSED)])

    assert [each.key.kind for each in await alerts.read()] == ["auth_error", "rate_limit", "server_error"]


async def test_hours_of_one_alert_are_one_line_with_the_last_words(
    database: Database, alerts: Alerts, clock: Clock
) -> None:
    earlier = Failure("auth_error", "openai", "gpt-x", 401, "Key expired.")
    await insert_records(database, [record("a", REFUSED), record("b", earlier, at_ms=NOW - 7_200_000)])

    (alert,) = await alerts.read()

    assert (alert.count, alert.first_at, alert.last_at) == (2, NOW - 7_200_000, NOW)
    assert alert.message == "Incorrect API key provided."
    assert [each.count for each in await alerts.read(hours=1)] == [1]
    clock.now += 25 * 3_600_000
    assert await alerts.read() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"cost": None},
        {"cost": None, "outcome": Outcome.CLIENT_GONE, "status": 200},
        {"cost": None, "charged": False},
        {"cost": None, "usage": NO_USAGE},
    ],
    ids=["went-well", "client-left", "helper", "unknown-usage"],
)
async def test_call_without_a_known_price_is_an_alert(
    database: Database, alerts: Alerts, fields: dict[str, Any]
) -> None:
    await insert_records(database, [record("a", **fields)])

    (alert,) = await alerts.read()
    assert alert.key == AlertKey("unknown_price", "openai", "gpt-x", 0)
    assert not alert.is_critical


@pytest.mark.parametrize(
    "fields",
    [
        {"cost": Decimal(0)},
        {"cost": None, "provider": None, "model": None},
        {"cost": None, "outcome": Outcome.ERROR, "status": 502, "usage": NO_USAGE},
        {"cost": None, "charged": False, "usage": NO_USAGE},
    ],
    ids=["free-of-charge", "asked-nobody", "failed", "count-of-tokens"],
)
async def test_call_that_cost_nothing_is_none(database: Database, alerts: Alerts, fields: dict[str, Any]) -> None:
    await insert_records(database, [record("a", **fields)])

    assert await alerts.read() == []


async def test_dismissed_alert_comes_back_when_it_happens_a_day_later(
    database: Database, alerts: Alerts, clock: Clock
) -> None:
    await insert_records(database, [record("a", REFUSED)])
    (alert,) = await alerts.read()

    assert await alerts.dismiss(alert.key) == from_ms(NOW + DISMISSED_MS)
    await insert_records(database, [record("b", REFUSED, at_ms=NOW + 1000)])
    assert await alerts.read() == []
    clock.now = NOW + DISMISSED_MS + 1000
    assert await alerts.read(hours=72) == []
    await insert_records(database, [record("c", REFUSED, at_ms=clock.now)])
    assert [each.key for each in await alerts.read()] == [alert.key]


async def test_alert_that_never_was_cannot_be_dismissed(alerts: Alerts) -> None:
    assert await alerts.dismiss(AlertKey("auth_error", "openai", "gpt-x", 401)) is None


async def test_gateways_own_alert_has_no_names(alerts: Alerts) -> None:
    await alerts.note("journal_behind", "much")
    await alerts.note("journal_behind", "more")

    (alert,) = await alerts.read()
    assert (alert.key, alert.count, alert.message) == (AlertKey("journal_behind", "", "", 0), 2, "more")
    assert alert.is_critical


async def test_long_words_of_a_provider_are_cut(database: Database, alerts: Alerts) -> None:
    await insert_records(database, [record("a", Failure("bad_request", "openai", "gpt-x", 400, "x" * 10_000))])

    assert [len(each.message) for each in await alerts.read()] == [500]


async def test_old_alerts_are_deleted_while_the_gateway_runs(database: Database, alerts: Alerts) -> None:
    old = record("b", REFUSED, at_ms=NOW - (KEPT_DAYS + 1) * MS_PER_DAY)
    await insert_records(database, [record("a", DOWN), old])

    task = asyncio.create_task(alerts.run())
    async with asyncio.timeout(10):
        while await count_rows(database) > 1:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.005)
    task.cancel()

    assert [each.key.kind for each in await alerts.read(hours=24 * 60)] == ["server_error"]


async def count_rows(database: Database) -> int:
    return len(await database.transact(lambda each: each.rows("SELECT kind FROM alerts", {}), writes=False))


class Backlog:
    """So many bytes wait; the database is away for the first notes."""

    def __init__(self, *sizes: int, failures: int = 0) -> None:
        self.sizes = list(sizes)
        self.failures = failures
        self.noted: list[tuple[str, str]] = []

    def read(self) -> int:
        return self.sizes.pop(0) if self.sizes else 0

    async def note(self, kind: str, message: str) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        self.noted.append((kind, message))


async def watch(backlog: Backlog) -> None:
    """Look as often as there are sizes, and some more."""
    task = asyncio.create_task(watch_backlog(backlog.note, backlog.read, limit_bytes=100, look_s=0))
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    assert backlog.sizes == []


async def test_backlog_over_the_limit_is_noted_each_time_it_is_seen() -> None:
    backlog = Backlog(100, 101, 500, 20)

    await watch(backlog)

    assert backlog.noted == [
        ("journal_behind", "101 bytes of records wait for the database."),
        ("journal_behind", "500 bytes of records wait for the database."),
    ]


async def test_backlog_of_a_database_that_was_away_is_noted_when_it_is_back() -> None:
    backlog = Backlog(200, 700, 300, 0, failures=3)

    await watch(backlog)

    assert backlog.noted == [("journal_behind", "700 bytes of records wait for the database.")]
