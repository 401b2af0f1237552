"""What is old of monitors goes, in the order in which nothing refers to it any more."""

from app.monitors.sweeping import WEBHOOK_DAYS, Sweep
from app.store.db import Database
from app.store.monitors.deliveries import queue_deliveries
from app.store.monitors.feed import number_groups
from app.store.monitors.retention import delete_old_webhooks
from app.store.monitors.rows import begin_cancel, finish_cancel
from app.store.monitors.webhooks import Webhook, take_webhook
from app.store.times import MS_PER_DAY
from tests.monitor_rows import forwarding_to, put_group, put_monitor

NOW = 2_000_000_000_000
DAYS = 30


async def count(database: Database, table: str) -> int:
    rows = await database.transact(lambda statements: statements.rows(f"SELECT count(*) FROM {table}", {}))
    return int(rows[0][0])


async def counts(database: Database) -> list[int]:
    return [await count(database, f"monitor{each}") for each in ("_webhooks", "_deliveries", "_events", "s")]


async def end(database: Database, monitor_id: str, at: int) -> None:
    await begin_cancel(database, monitor_id, "user", at)
    await finish_cancel(database, monitor_id, at)


async def test_all_that_is_old_goes(database: Database) -> None:
    old, ended_late, active = [await put_monitor(database, **forwarding_to("https://a.example/")) for _ in range(3)]
    groups = [await put_group(database, each, f"group_{each.id}", fetched_at=5) for each in (old, ended_late, active)]
    await queue_deliveries(database, since=0, now=1000)
    await database.transact(
        lambda statements: statements.many(
            "UPDATE monitor_deliveries SET status = 'delivered' WHERE created_at > :at", [{"at": 0}]
        )
    )
    await end(database, old.id, 10)
    await end(database, ended_late.id, NOW - DAYS * MS_PER_DAY)
    assert await counts(database) == [0, 3, 3, 3]
    assert groups

    await Sweep(database, days=lambda: DAYS, clock=lambda: NOW).sweep()

    assert await counts(database) == [0, 0, 1, 2]  # the last one that was numbered stays


async def test_nothing_that_is_on_its_way_goes(database: Database) -> None:
    monitor = await put_monitor(database, **forwarding_to("https://a.example/"))
    await put_group(database, monitor, "group_1", fetched_at=5)
    await queue_deliveries(database, since=0, now=1000)

    await Sweep(database, days=lambda: DAYS, clock=lambda: NOW).sweep()

    assert await counts(database) == [0, 1, 1, 1]


async def test_for_ever_is_for_ever_but_for_webhooks(database: Database) -> None:
    monitor = await put_monitor(database)
    await put_group(database, monitor, "group_1", fetched_at=5)
    for number, days in enumerate((WEBHOOK_DAYS + 1, WEBHOOK_DAYS - 1)):
        webhook = Webhook(f"w{number}", "monitor.execution.completed", "monitor_x", ran_at=1)
        await take_webhook(database, webhook, NOW - days * MS_PER_DAY)

    await Sweep(database, days=lambda: 0, clock=lambda: NOW).sweep()

    assert await counts(database) == [1, 0, 1, 1]


async def test_it_is_deleted_a_little_at_a_time(database: Database) -> None:
    for number in range(5):
        webhook = Webhook(f"w{number}", "monitor.execution.completed", "monitor_x", ran_at=1)
        await take_webhook(database, webhook, 1000)
    assert [await delete_old_webhooks(database, before=2000, most=2) for _ in range(4)] == [2, 2, 1, 0]


async def test_old_webhook_that_comes_again_is_known_by_its_event_group(database: Database) -> None:
    await put_monitor(database, parallel_id="monitor_a")
    webhook = Webhook("w1", "monitor.event.detected", "monitor_a", event_group_id="group_1")
    assert await take_webhook(database, webhook, 1000) == "stored"

    await delete_old_webhooks(database, before=2000, most=10)

    assert await take_webhook(database, webhook, 3000) == "duplicate"


async def test_event_group_that_was_numbered_last_stays(database: Database) -> None:
    monitor = await put_monitor(database)
    for number in (1, 2):
        await put_group(database, monitor, f"group_{number}", fetched_at=number)
    highest = await number_groups(database)

    await Sweep(database, days=lambda: DAYS, clock=lambda: NOW).sweep()

    assert await counts(database) == [0, 0, 1, 1]
    await put_group(database, monitor, "group_3", fetched_at=3)
    assert await number_groups(database) == highest + 1
