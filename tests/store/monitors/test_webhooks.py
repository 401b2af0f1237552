"""Webhooks are taken once, whoever takes them."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.store.db import Database
from app.store.monitors.rows import (
    activate,
    begin_cancel,
    fail_creation,
    find_monitor,
    finish_cancel,
    note_cancel_failure,
)
from app.store.monitors.webhooks import (
    TakenWebhook,
    Webhook,
    take_webhook,
    webhooks_since,
)
from app.store.statements import Statements
from tests.databases import sqlite_only
from tests.monitor_rows import CREATING, put_monitor, rows

NOW = 2000
DETECTED = Webhook("whevent_1", "monitor.event.detected", "monitor_1", event_group_id="mevtgrp_1")
COMPLETED = Webhook("whevent_2", "monitor.execution.completed", "monitor_1", ran_at=1900)
FAILED = dataclasses.replace(COMPLETED, webhook_id="whevent_3", type="monitor.execution.failed", error="No credit")


async def results(db: Database) -> Sequence[Sequence[Any]]:
    return await rows(db, "SELECT webhook_id, result FROM monitor_webhooks ORDER BY webhook_id")


async def test_event_group_of_a_monitor_is_stored_for_its_user_and_is_due(database: Database) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")

    assert await take_webhook(database, DETECTED, NOW) == "stored"

    columns = (
        "event_group_id, monitor_id, username, received_at, retry_at, attempts, fetched_at, processed_at, claimed_until"
    )
    assert await rows(database, f"SELECT {columns} FROM monitor_events") == [
        ("mevtgrp_1", monitor.id, "alice", NOW, NOW, 0, None, None, 0)
    ]
    assert await webhooks_since(database, 0, 10) == [
        TakenWebhook("whevent_1", NOW, "monitor.event.detected", "monitor_1", "mevtgrp_1", "stored")
    ]


async def test_second_webhook_of_an_id_or_of_an_event_group_is_a_duplicate(database: Database) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    await take_webhook(database, DETECTED, NOW)

    assert await take_webhook(database, DETECTED, NOW + 1) == "duplicate"
    other = dataclasses.replace(DETECTED, webhook_id="whevent_9")
    assert await take_webhook(database, other, NOW + 2) == "duplicate"

    assert await rows(database, "SELECT received_at FROM monitor_events") == [(NOW,)]
    assert await results(database) == [("whevent_1", "stored"), ("whevent_9", "duplicate")]


async def test_webhook_of_an_unknown_monitor_is_kept_and_may_come_again_when_it_is_known(database: Database) -> None:
    assert await take_webhook(database, DETECTED, NOW) == "unknown"
    assert await take_webhook(database, DETECTED, NOW + 1) == "unknown"
    assert await rows(database, "SELECT * FROM monitor_events") == []

    await put_monitor(database, parallel_id="monitor_1")

    assert await take_webhook(database, DETECTED, NOW + 2) == "stored"
    assert await take_webhook(database, DETECTED, NOW + 3) == "duplicate"
    assert [each.received_at for each in await webhooks_since(database, 0, 10)] == [NOW + 2]


async def test_webhook_that_overtakes_the_answer_to_the_create_call_finds_its_monitor(database: Database) -> None:
    monitor = await put_monitor(database, **CREATING)
    overtaking = dataclasses.replace(DETECTED, monitor_id=monitor.id)

    assert await take_webhook(database, overtaking, NOW) == "stored"

    assert await rows(database, "SELECT monitor_id FROM monitor_events") == [(monitor.id,)]


async def test_webhook_of_another_monitor_is_not_taken_for_one_that_has_its_id(database: Database) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")
    foreign = dataclasses.replace(DETECTED, parallel_id="monitor_other", monitor_id=monitor.id)

    assert await take_webhook(database, foreign, NOW) == "unknown"


async def test_monitor_is_found_by_parallels_id_before_that_in_the_metadata(database: Database) -> None:
    creating = await put_monitor(database, "bob", **CREATING)
    known = await put_monitor(database, parallel_id="monitor_1")

    await take_webhook(database, dataclasses.replace(DETECTED, monitor_id=creating.id), NOW)

    assert await rows(database, "SELECT monitor_id FROM monitor_events") == [(known.id,)]


async def test_events_of_monitors_that_end_or_have_ended_are_stored_too(database: Database) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")
    await begin_cancel(database, monitor.id, "user", NOW)
    assert await take_webhook(database, DETECTED, NOW) == "stored"

    await finish_cancel(database, monitor.id, NOW)
    later = dataclasses.replace(DETECTED, webhook_id="whevent_9", event_group_id="mevtgrp_9")
    assert await take_webhook(database, later, NOW) == "stored"


async def test_event_of_a_monitor_whose_creation_failed_here_is_stored(database: Database) -> None:
    monitor = await put_monitor(database, **CREATING)
    await fail_creation(database, monitor.id, "No answer", now=NOW)

    assert await take_webhook(database, dataclasses.replace(DETECTED, monitor_id=monitor.id), NOW) == "stored"


async def test_runs_are_noted_and_the_last_one_counts(database: Database) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")

    assert await take_webhook(database, FAILED, NOW) == "noted"
    noted = await find_monitor(database, monitor.id)
    assert noted is not None
    assert (noted.last_run_at, noted.last_error) == (1900, "No credit")

    older = dataclasses.replace(COMPLETED, webhook_id="whevent_older", ran_at=1800)
    assert await take_webhook(database, older, NOW) == "noted"
    assert await find_monitor(database, monitor.id) == noted

    assert await take_webhook(database, COMPLETED, NOW) == "noted"
    noted = await find_monitor(database, monitor.id)
    assert noted is not None
    assert (noted.last_run_at, noted.last_error) == (1900, None)
    assert await take_webhook(database, COMPLETED, NOW) == "duplicate"


async def test_run_does_not_hide_why_a_monitor_could_not_be_ended(database: Database) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")
    await begin_cancel(database, monitor.id, "user", NOW)
    await note_cancel_failure(database, monitor.id, "Parallel is away", NOW)

    await take_webhook(database, COMPLETED, NOW)

    noted = await find_monitor(database, monitor.id)
    assert noted is not None
    assert (noted.last_run_at, noted.last_error) == (1900, "Parallel is away")


@pytest.mark.parametrize("same", ["webhook", "group"])
async def test_of_workers_that_take_the_same_at_once_one_stores_it_and_none_fails(
    database: Database, open_another: Callable[[str], Database], same: str
) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    workers = [database, *(open_another("relay.db") for _ in range(5))]
    webhooks = [
        dataclasses.replace(DETECTED, webhook_id=f"whevent_{number if same == 'group' else 0}") for number in range(6)
    ]

    for turn in range(10):
        taken = await asyncio.gather(
            *(
                take_webhook(
                    db,
                    dataclasses.replace(
                        webhook, webhook_id=f"{webhook.webhook_id}_{turn}", event_group_id=f"mevtgrp_{turn}"
                    ),
                    NOW,
                )
                for db, webhook in zip(workers, webhooks, strict=True)
            )
        )
        assert sorted(taken) == ["duplicate"] * 5 + ["stored"]

    assert await rows(database, "SELECT count(*) FROM monitor_events") == [(10,)]


async def test_webhook_that_comes_while_its_monitor_becomes_active_is_never_unknown(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    other = open_another("relay.db")

    for number in range(20):
        monitor = await put_monitor(database, **CREATING)
        webhook = Webhook(f"w{number}", "monitor.event.detected", f"p{number}", monitor.id, f"g{number}")
        result, _ = await asyncio.gather(
            take_webhook(other, webhook, NOW), activate(database, monitor, f"p{number}", most=100, now=NOW)
        )
        assert result == "stored"


async def test_webhooks_are_listed_from_a_moment_on_the_oldest_first(database: Database) -> None:
    for number in (3, 1, 2, 4):
        await take_webhook(database, dataclasses.replace(DETECTED, webhook_id=f"w{number}"), NOW + number)

    assert [each.webhook_id for each in await webhooks_since(database, NOW + 2, 2)] == ["w2", "w3"]


@sqlite_only
async def test_file_is_synced_with_a_transaction_that_asks_for_it_and_with_no_other(database: Database) -> None:
    def level(statements: Statements) -> int:
        found: int = statements.rows("PRAGMA synchronous", {})[0][0]
        return found

    def fail(statements: Statements) -> None:
        statements.rows("SELECT * FROM nothing", {})

    full, normal = 2, 1
    assert await database.transact(level) == normal
    assert await database.transact(level, synced=True) == full
    assert await database.transact(level) == normal
    with pytest.raises(Exception, match="cannot be used"):
        await database.transact(fail, synced=True)
    assert await database.transact(level) == normal


@sqlite_only
async def test_webhook_is_synced(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    asked: list[bool] = []
    transact = database.transact

    async def watch(work: Any, **options: Any) -> Any:
        asked.append(options.get("synced", False))
        return await transact(work, **options)

    monkeypatch.setattr(database, "transact", watch)

    await take_webhook(database, DETECTED, NOW)

    assert asked == [True]
