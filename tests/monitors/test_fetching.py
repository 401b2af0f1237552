"""What webhooks told of is fetched, from a stand-in of Parallel's, on both databases."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from app.core.updates import Update
from app.monitors import fetching
from app.monitors.fetching import GIVE_UP_MS, LEASE_MS, Fetcher
from app.monitors.parallel import ParallelMonitors
from app.providers.transport import Transport
from app.store.db import Database
from app.store.monitors.fetches import Claim
from app.store.monitors.webhooks import Webhook, take_webhook
from tests.monitor_rows import CREATING, put_monitor, rows
from tests.monitors.clock import Clock
from tests.monitors.running import running
from tests.parallel_server import KEY, Fault, ParallelServer, running_parallel
from tests.waiting import until

NOW = 1_767_225_600_000
SOON_S = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[ParallelServer]:
    with running_parallel() as running:
        yield running


@pytest.fixture
def parallel(server: ParallelServer) -> Iterator[ParallelServer]:
    server.requests.clear()
    yield server
    server.heal()


class Bench:
    """Fetchers of one or more workers, under one clock."""

    def __init__(self, parallel: ParallelServer, transport: Transport) -> None:
        self.clock = Clock(NOW)
        self.told: list[tuple[str, Sequence[Update]]] = []
        self.key: str | None = KEY
        self._remote = ParallelMonitors(transport, lambda: self.key, parallel.base_url, deadline_s=10, first_pause_s=0)

    def fetcher(self, db: Database, remote: Any = None, **options: Any) -> Fetcher:
        """One worker's."""
        return Fetcher(
            db,
            remote or self._remote,
            lambda: self.key is not None,
            on_fetched=self._note,
            clock=self.clock,
            **{"look_s": 0.02} | options,
        )

    async def _note(self, claim: Claim, updates: Sequence[Update]) -> None:
        self.told.append((claim.event_group_id, updates))


@pytest.fixture
async def bench(parallel: ParallelServer) -> AsyncIterator[Bench]:
    transport = Transport()
    yield Bench(parallel, transport)
    await transport.aclose()


async def arrive(db: Database, parallel: ParallelServer, *found: str, username: str = "alice", at: int = NOW) -> str:
    """A run of a monitor of `username` has found something, and its webhook has been taken; the event group."""
    there = parallel.add()["monitor_id"]
    await put_monitor(db, username, parallel_id=there)
    group = parallel.detect(there, *found, reports=False)
    await take_webhook(db, Webhook(f"w_{group}", "monitor.event.detected", there, event_group_id=group), at)
    return group


async def of_group(db: Database, group: str, columns: str) -> Any:
    (row,) = await rows(db, f"SELECT {columns} FROM monitor_events WHERE event_group_id = '{group}'")
    return row


def decoded(stored: Any) -> Any:
    """What a column of JSON gives: text from a file, from a server what it says."""
    return json.loads(stored) if isinstance(stored, str) else stored


async def fetched(db: Database, count: int = 1) -> bool:
    return await rows(db, "SELECT count(fetched_at) FROM monitor_events") == [(count,)]


async def attempted(db: Database, group: str, attempts: int) -> bool:
    found: int = (await of_group(db, group, "attempts"))[0]
    return found >= attempts


async def test_due_event_group_is_fetched_and_told_of(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    group = await arrive(database, parallel, "Acme raised $50M.", "Acme raised $60M.")

    async with running(bench.fetcher(database)):
        await until(lambda: fetched(database))
        await until(lambda: len(bench.told) == 1)

    stored, *facts = await of_group(database, group, "events, fetched_at, retry_at, attempts, last_error")
    assert [each["text"] for each in decoded(stored)] == ["Acme raised $50M.", "Acme raised $60M."]
    assert facts == [NOW, None, 1, None]
    ((told, updates),) = bench.told
    assert told == group
    assert [each.text for each in updates] == ["Acme raised $50M.", "Acme raised $60M."]


async def test_waking_does_not_wait_for_the_next_look(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    fetcher = bench.fetcher(database, look_s=3600)

    async with running(fetcher):
        await asyncio.sleep(0)
        await arrive(database, parallel, "News")
        fetcher.wake()
        await until(lambda: fetched(database))


async def test_failure_is_noted_and_tried_again_later_and_later(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    group = await arrive(database, parallel, "News")
    parallel.order(Fault(status=400), "events", times=10)
    pauses = []

    async with running(bench.fetcher(database)):
        for attempt in range(1, 11):
            await until(partial(attempted, database, group, attempt))
            error, retry_at = await of_group(database, group, "last_error, retry_at")
            assert "400" in error
            pauses.append((retry_at - bench.clock.now) / 1000)
            bench.clock.now = retry_at
        await until(lambda: fetched(database))

    assert all(0.8 * 5 * 2**n <= pause <= 1.2 * 5 * 2**n for n, pause in enumerate(pauses[:9]))
    assert pauses[9] <= 3600 * 1.2
    assert await of_group(database, group, "last_error, gave_up_at") == (None, None)


async def test_after_a_day_it_is_given_up_with_one_line(
    database: Database, parallel: ParallelServer, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    group = await arrive(database, parallel, "News")
    parallel.order(Fault(status=400), "events", times=100)
    told: list[str] = []

    async with running(bench.fetcher(database, on_given_up=told.append)):
        await until(lambda: attempted(database, group, 1))
        for attempt in range(2, 6):
            bench.clock.now = NOW + GIVE_UP_MS + attempt * 3_600_000
            await until(partial(attempted, database, group, attempt))
        await until(lambda: told)

    gave_up_at, retry_at, error, attempts = await of_group(
        database, group, "gave_up_at, retry_at, last_error, attempts"
    )
    assert (gave_up_at, retry_at, attempts) == (bench.clock.now, None, 5)
    assert error
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(said) == 1
    assert group in said[0]
    assert told == [f"{group}: {error}"]


async def test_without_a_key_all_waits_and_nothing_counts_as_an_attempt(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    group = await arrive(database, parallel, "News")
    bench.key = None
    fetcher = bench.fetcher(database)

    async with running(fetcher):
        await fetcher.fetch_pending("alice", SOON_S)
        fetcher.wake()
        await asyncio.sleep(0.1)
        assert await of_group(database, group, "attempts, retry_at, last_error") == (0, NOW, None)
        bench.key = KEY
        await until(lambda: fetched(database))


async def test_answer_without_events_is_not_believed_at_first(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    group = await arrive(database, parallel)

    async with running(bench.fetcher(database)):
        for attempt in range(1, 5):
            await until(partial(attempted, database, group, attempt))
            assert not await fetched(database)
            bench.clock.now = (await of_group(database, group, "retry_at"))[0]
        bench.clock.now = NOW + 600_000
        await until(lambda: fetched(database))

    assert decoded((await of_group(database, group, "events"))[0]) == []


async def test_eight_are_asked_for_at_once_and_a_slow_one_holds_up_nobody(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    class Slow:
        """Gives nothing until it is let; but one group at once."""

        def __init__(self) -> None:
            self.let = asyncio.Event()
            self.asked: list[str] = []

        async def events(self, monitor_id: str, event_group_id: str) -> list[dict[str, Any]]:
            self.asked.append(event_group_id)
            if len(self.asked) <= 7:
                await self.let.wait()
            return [{"event_id": event_group_id, "event_type": "event_stream", "output": {"content": "News"}}]

    for _ in range(20):
        await arrive(database, parallel)
    slow = Slow()

    async with running(bench.fetcher(database, slow)):
        await until(lambda: fetched(database, 13))
        assert len(slow.asked) == 20
        slow.let.set()
        await until(lambda: fetched(database, 20))


async def test_one_that_hangs_ends_and_is_tried_again(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    group = await arrive(database, parallel, "News")
    parallel.order(Fault(hangs=True), "events")

    async with running(bench.fetcher(database, attempt_s=0.1)):
        await until(lambda: attempted(database, group, 1))

    assert (await of_group(database, group, "last_error"))[0] == "Parallel did not answer within 0.1 s."


async def test_of_several_workers_each_group_is_asked_for_by_one_and_told_of_once(
    database: Database, parallel: ParallelServer, bench: Bench, open_another: Callable[[str], Database]
) -> None:
    groups = [await arrive(database, parallel, "News") for number in range(30)]
    fetchers = [bench.fetcher(db) for db in (database, open_another("relay.db"), open_another("relay.db"))]

    async with running(*fetchers):
        await until(lambda: fetched(database, 30))
        await until(lambda: len(bench.told) >= 30)

    assert sorted(group for group, _ in bench.told) == sorted(groups)
    assert len(parallel.asked("events")) == 30


async def test_claim_of_a_worker_that_died_is_over_after_a_minute(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    group = await arrive(database, parallel, "News")
    parallel.order(Fault(hangs=True), "events")
    async with running(bench.fetcher(database)):
        await until(lambda: len(parallel.asked("events")) == 1)

    assert await of_group(database, group, "attempts, retry_at") == (0, NOW + LEASE_MS)
    bench.clock.now += LEASE_MS
    async with running(bench.fetcher(database)):
        await until(lambda: fetched(database))


async def test_monitor_whose_id_at_parallel_is_not_recorded_is_asked_for_by_that_of_the_webhook(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    there = parallel.add()["monitor_id"]
    monitor = await put_monitor(database, **CREATING)
    group = parallel.detect(there, "News", reports=False)
    await take_webhook(database, Webhook("w", "monitor.event.detected", there, monitor.id, group), NOW)

    async with running(bench.fetcher(database)):
        await until(lambda: fetched(database))


async def test_fault_of_ours_is_told_of_and_ends_like_any_other(
    database: Database,
    parallel: ParallelServer,
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = await arrive(database, parallel, "News")
    with monkeypatch.context() as patch:
        patch.setattr(fetching, "read_events", lambda events: 1 / len(events[:0]))
        async with running(bench.fetcher(database)):
            await until(lambda: attempted(database, group, 1))

    assert (await of_group(database, group, "last_error"))[0] == "The gateway failed; its log tells more."
    assert "ZeroDivisionError" in caplog.text


async def test_ask_of_a_user_has_all_of_theirs_fetched_now_whenever_it_was_due(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    due = await arrive(database, parallel, "News")
    later = await arrive(database, parallel, "More")
    others = await arrive(database, parallel, "Other", username="bob")
    await database.transact(
        lambda statements: statements.rows(
            "UPDATE monitor_events SET retry_at = :at, attempts = 7 WHERE event_group_id = :group",
            {"at": NOW + 3_600_000, "group": later},
        )
    )

    await bench.fetcher(database).fetch_pending("alice", SOON_S)

    assert [(await of_group(database, group, "fetched_at"))[0] for group in (due, later, others)] == [NOW, NOW, None]


async def test_ask_that_fails_leaves_everything_as_it_was_but_for_the_error(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    group = await arrive(database, parallel, "News")
    parallel.order(Fault(status=400), "events")

    await bench.fetcher(database).fetch_pending("alice", SOON_S)

    error, *facts = await of_group(database, group, "last_error, attempts, retry_at, fetched_at, gave_up_at")
    assert error
    assert facts == [0, NOW, None, None]


async def test_ask_waits_for_what_the_background_is_fetching(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    await arrive(database, parallel, "News")
    parallel.order(Fault(delay_s=0.2), "events")
    fetcher = bench.fetcher(database)

    async with running(fetcher):
        await until(lambda: len(parallel.asked("events")) == 1)
        await fetcher.fetch_pending("alice", SOON_S)
        assert await fetched(database)

    assert len(parallel.asked("events")) == 1


async def test_ask_does_not_wait_longer_than_it_may_and_what_it_began_goes_on(
    database: Database, parallel: ParallelServer, bench: Bench
) -> None:
    await arrive(database, parallel, "News")
    parallel.order(Fault(delay_s=0.3), "events")

    await bench.fetcher(database).fetch_pending("alice", 0.1)

    assert not await fetched(database)
    await until(lambda: fetched(database))


async def test_ask_gets_what_another_worker_has_claimed_and_does_not_get(
    database: Database, parallel: ParallelServer, bench: Bench, open_another: Callable[[str], Database]
) -> None:
    await arrive(database, parallel, "News")
    parallel.order(Fault(hangs=True), "events")

    async with running(bench.fetcher(open_another("relay.db"))):
        await until(lambda: len(parallel.asked("events")) == 1)
        bench.clock.now += 1
        await bench.fetcher(database).fetch_pending("alice", SOON_S)
        assert await fetched(database)


async def test_ask_raises_nothing_where_the_database_is_away(database: Database, bench: Bench) -> None:
    fetcher = bench.fetcher(database)
    await database.transact(lambda statements: statements.rows("ALTER TABLE monitor_events RENAME TO elsewhere", {}))

    await fetcher.fetch_pending("alice", SOON_S)
