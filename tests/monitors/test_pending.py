"""Updates that calls take: who got them has them alone, and what they did not reach the user by stays pending."""

import asyncio
from collections.abc import Callable

import pytest

from app.monitors import pending as module
from app.monitors.pending import PendingUpdates
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.updates import claim_updates, renew_claims
from app.store.times import now_ms
from tests.monitor_rows import monitor_of, processed, put_group

LEASE_MS = 60_000
ALICES = monitor_of("alice")


def later(monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    now = now_ms()
    monkeypatch.setattr(module, "now_ms", lambda: now + ms)


async def test_what_was_delivered_is_told_no_more(database: Database) -> None:
    await put_group(database, ALICES, "a")
    pending = PendingUpdates(database)

    taken = await pending.take("alice", 20)
    await taken.delivered()

    assert [group.id for group in taken.groups] == ["a"]
    assert await processed(database) == {"a": True}
    assert not (await pending.take("alice", 20)).groups


async def test_what_is_put_back_is_pending_at_once_for_everybody(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    await put_group(database, ALICES, "a")
    other = PendingUpdates(open_another("relay.db"))

    taken = await PendingUpdates(database).take("alice", 20)
    assert (await other.take("alice", 20)).elsewhere == 1
    await taken.put_back()

    assert len((await other.take("alice", 20)).groups) == 1


async def test_claim_ends_once(database: Database) -> None:
    await put_group(database, ALICES, "a")
    taken = await PendingUpdates(database).take("alice", 20)

    await taken.put_back()
    await taken.delivered()

    assert await processed(database) == {"a": False}


async def test_claims_are_renewed_while_a_reply_is_on_its_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_group(database, ALICES, "a")
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    monkeypatch.setattr(module, "RENEW_S", 0.0)
    renewed = asyncio.Event()

    async def renew(*args: object) -> None:
        await renew_claims(*args)  # type: ignore[arg-type] # as they came
        renewed.set()

    monkeypatch.setattr(module, "renew_claims", renew)
    pending = PendingUpdates(database)
    taken = await pending.take("alice", 20)
    later(monkeypatch, LEASE_MS)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(pending.run())
        await renewed.wait()
        running.cancel()

    assert (await PendingUpdates(database).take("alice", 20)).elsewhere == 1
    await taken.delivered()
    assert await processed(database) == {"a": True}


async def test_claim_of_a_worker_that_died_is_over_after_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_group(database, ALICES, "a")
    await PendingUpdates(database).take("alice", 20)

    later(monkeypatch, LEASE_MS)

    assert len((await PendingUpdates(database).take("alice", 20)).groups) == 1


async def test_mark_that_the_database_could_not_take_is_written_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_group(database, ALICES, "a")
    pending = PendingUpdates(database)
    taken = await pending.take("alice", 20)

    async def away(*_args: object) -> None:
        raise DatabaseUnavailable("The database is away.")

    with monkeypatch.context() as patch:
        patch.setattr(module, "mark_processed", away)
        await taken.delivered()
    assert await processed(database) == {"a": False}
    await pending.write()

    assert await processed(database) == {"a": True}


async def test_call_that_ends_while_it_takes_keeps_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await put_group(database, ALICES, "a")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(*args: object, **fields: object) -> object:
        begun.set()
        await go_on.wait()
        return await claim_updates(*args, **fields)  # type: ignore[arg-type] # as they came

    monkeypatch.setattr(module, "claim_updates", slow)
    pending = PendingUpdates(database)
    taking = asyncio.ensure_future(pending.take("alice", 20))
    await begun.wait()
    taking.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await pending.aclose()

    assert len((await PendingUpdates(database).take("alice", 20)).groups) == 1


async def test_worker_that_stops_lets_go_of_what_it_has(database: Database) -> None:
    await put_group(database, ALICES, "a")
    pending = PendingUpdates(database)
    await pending.take("alice", 20)

    await pending.aclose()

    assert len((await PendingUpdates(database).take("alice", 20)).groups) == 1


async def test_what_is_missing_is_fetched_first(database: Database) -> None:
    async def fetch(username: str) -> None:
        await put_group(database, monitor_of(username), "late")

    assert len((await PendingUpdates(database, fetch).take("alice", 20)).groups) == 1


@pytest.mark.parametrize("failure", [DatabaseUnavailable("away"), RuntimeError("a fault"), None])
async def test_failed_or_slow_fetch_keeps_nothing_from_being_told(
    database: Database, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    await put_group(database, ALICES, "a")
    await put_group(database, ALICES, "late", fetched_at=None)
    monkeypatch.setattr(module, "FETCH_S", 0.01)

    async def fetch(_username: str) -> None:
        if failure is not None:
            raise failure
        await asyncio.Event().wait()

    taken = await PendingUpdates(database, fetch).take("alice", 20)

    assert ([group.id for group in taken.groups], taken.missing) == (["a"], 1)


async def test_claim_that_nobody_ends_is_let_go_in_the_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await put_group(database, ALICES, "a")
    monkeypatch.setattr(module, "LONGEST_S", 0.0)
    pending = PendingUpdates(database)
    taken = await pending.take("alice", 20)

    await pending._renew()
    await taken.delivered()

    assert await processed(database) == {"a": False}
