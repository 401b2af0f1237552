"""Whose turn it is to ask for an event group, and what is kept of that."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app.core.updates import Update, write_updates
from app.store.db import Database
from app.store.monitors.fetches import (
    Claim,
    claim_due,
    claim_missing,
    give_up,
    keep_events,
    note_fetch_failure,
    put_back,
)
from app.store.monitors.webhooks import Webhook, take_webhook
from tests.monitor_rows import put_monitor, rows

NOW = 2000
LEASE = 60


@pytest.fixture
async def due(database: Database) -> Database:
    """With twenty event groups of one monitor, the first received first."""
    await put_monitor(database, parallel_id="monitor_1")
    for n in range(20):
        webhook = Webhook(f"w{n}", "monitor.event.detected", "monitor_1", event_group_id=f"g{n:02}")
        await take_webhook(database, webhook, NOW - 20 + n)
    return database


async def claim(db: Database, now: int = NOW, most: int = 1) -> list[Claim]:
    return await claim_due(db, now=now, until=now + LEASE, most=most)


async def facts(db: Database, columns: str, group: str = "g00") -> Any:
    (row,) = await rows(db, f"SELECT {columns} FROM monitor_events WHERE event_group_id = '{group}'")
    return row


async def test_longest_due_is_claimed_first_with_all_that_is_to_be_known(due: Database) -> None:
    monitor_id, username = await facts(due, "monitor_id, username")

    assert await claim(due) == [
        Claim("g00", monitor_id, username, NOW - 20, 0, "monitor_1", retry_at=NOW - 20, until=NOW + LEASE)
    ]
    assert [each.event_group_id for each in await claim(due, most=2)] == ["g01", "g02"]
    assert await claim(due, now=NOW - 18) == []


async def test_workers_that_claim_at_once_get_different_ones(
    due: Database, open_another: Callable[[str], Database]
) -> None:
    workers = [due, *(open_another("relay.db") for _ in range(3))]
    got: list[str] = []

    while batches := [each for each in await asyncio.gather(*(claim(db, most=3) for db in workers)) if each]:
        got += [each.event_group_id for batch in batches for each in batch]

    assert sorted(got) == [f"g{n:02}" for n in range(20)]


async def test_claim_is_over_with_its_lease_and_then_nothing_is_noted_of_it(due: Database) -> None:
    (late,) = await claim(due)
    (mine,) = [each for each in await claim(due, NOW + LEASE, 20) if each.event_group_id == "g00"]

    await note_fetch_failure(due, late, "late", NOW + 999)
    await put_back(due, late, "late")
    assert not await give_up(due, late, "late", NOW)

    assert await facts(due, "retry_at, last_error, attempts, gave_up_at") == (mine.until, None, 0, None)
    await note_fetch_failure(due, mine, "mine", NOW + 999)
    assert await facts(due, "retry_at, last_error, attempts") == (NOW + 999, "mine", 1)


async def test_error_of_any_text_can_be_noted(due: Database) -> None:
    (mine,) = await claim(due)

    await note_fetch_failure(due, mine, "a\0b \ud800", NOW + 999)

    assert await facts(due, "last_error") == ("a?b ?",)


async def test_events_are_kept_once_whoever_brings_them(due: Database) -> None:
    events = write_updates([Update("e", "2026-01-01", "Néws “…” 🎉", ("https://a.example/?q=1&r=:x",))])

    assert await keep_events(due, "g00", events, NOW)
    assert not await keep_events(due, "g00", [], NOW + 1)
    assert not await keep_events(due, "unknown", [], NOW)

    assert await facts(due, "fetched_at, retry_at, attempts") == (NOW, None, 1)
    assert [each.event_group_id for each in await claim(due)] == ["g01"]


async def test_what_is_given_up_is_not_claimed_again_even_for_its_user(due: Database) -> None:
    (mine,) = await claim(due)

    assert await give_up(due, mine, "Gone", NOW)

    assert await facts(due, "gave_up_at, retry_at, last_error") == (NOW, None, "Gone")
    missing = await claim_missing(due, "alice", until=NOW + LEASE, most=99, without=["g01"])
    assert sorted(each.event_group_id for each in missing) == [f"g{n:02}" for n in range(2, 20)]


async def test_user_misses_nothing_of_another_and_the_newest_first(due: Database) -> None:
    assert await claim_missing(due, "bob", until=NOW + LEASE, most=5, without=[]) == []

    missing = await claim_missing(due, "alice", until=NOW + LEASE, most=2, without=[])
    assert [each.event_group_id for each in missing] == ["g18", "g19"]

    await put_back(due, missing[0], "Later")
    assert await facts(due, "retry_at, last_error, attempts", "g18") == (missing[0].retry_at, "Later", 0)
