"""The feed: what any worker fetched reaches every listener of its user, each event group once, over interruptions too."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest

from app.core.errors import RateLimited
from app.core.updates import Update
from app.monitors.feed import EventFeed
from app.monitors.messages import OPENING
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.feed import number_groups
from app.store.monitors.groups import EventGroup
from tests.databases import postgresql_only
from tests.monitor_rows import put_group, put_monitor
from tests.monitors.running import running
from tests.waiting import until

EVENTS = '[{"id": "evt_1", "date": null, "text": "News.", "sources": []}]'
Groups = AsyncGenerator[EventGroup, None]


@contextlib.asynccontextmanager
async def feeding(*databases: Database) -> AsyncIterator[list[EventFeed]]:
    """Feeds as of so many workers."""
    feeds = [EventFeed(database, look_s=0.02) for database in databases]
    async with running(*feeds):
        try:
            yield feeds
        finally:
            for feed in feeds:
                feed.close()


async def take(groups: Groups, count: int) -> list[str]:
    """The ids of the next so many."""
    async with asyncio.timeout(20):
        return [(await anext(groups)).id for _ in range(count)]


async def heard_by(feed: EventFeed) -> None:
    """Return when somebody listens."""
    await until(lambda: feed.listeners)


async def test_what_is_fetched_elsewhere_is_heard_by_all_listeners_of_its_user(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    alice, bob = await put_monitor(database), await put_monitor(database, "bob")
    async with feeding(database, open_another("relay.db")) as feeds:
        listening = [await feed.listen("alice") for feed in feeds]
        other = await feeds[0].listen("bob")

        for number in range(5):
            await put_group(database, alice, f"grp_{number}")
            await put_group(database, bob, f"bob_{number}")

        expected = [f"grp_{number}" for number in range(5)]
        assert [await take(groups, 5) for groups in listening] == [expected, expected]
        assert await take(other, 5) == [f"bob_{number}" for number in range(5)]


async def test_without_an_id_only_what_comes_from_now_on_is_told(database: Database) -> None:
    monitor = await put_monitor(database)
    await put_group(database, monitor, "grp_before")
    async with feeding(database) as (feed,):
        groups = [await feed.listen("alice"), await feed.listen("alice", "grp_unknown")]

        await put_group(database, monitor, "grp_after")

        assert [await take(each, 1) for each in groups] == [["grp_after"], ["grp_after"]]


async def test_listener_that_comes_back_goes_on_behind_what_it_has(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    monitor = await put_monitor(database)
    async with feeding(database, open_another("relay.db")) as (feed, other):
        groups = await feed.listen("alice")
        for number in range(3):
            await put_group(database, monitor, f"grp_{number}")
        assert await take(groups, 2) == ["grp_0", "grp_1"]
        await groups.aclose()
        await put_group(database, monitor, "grp_3", fetched_at=1)  # by a clock that is late

        again = await other.listen("alice", "grp_1")

        assert await take(again, 2) == ["grp_2", "grp_3"]


async def test_event_group_of_somebody_else_is_no_place_to_go_on_from(database: Database) -> None:
    monitor, bobs = await put_monitor(database), await put_monitor(database, "bob")
    await put_group(database, bobs, "bob_0")
    await put_group(database, monitor, "grp_0")
    async with feeding(database) as (feed,):
        groups = await feed.listen("alice", "bob_0")

        await put_group(database, monitor, "grp_1")

        assert await take(groups, 1) == ["grp_1"]


@postgresql_only
async def test_transaction_that_is_committed_late_is_neither_lost_nor_told_twice(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    monitor, writer = await put_monitor(database), open_another("relay.db")
    ids = [await put_group(writer, monitor, f"grp_{number}", fetched_at=None) for number in range(2)]
    fetched = "UPDATE monitor_events SET fetched_at = {at}, events = '{events}' WHERE event_group_id = '{id}'"
    async with feeding(database) as (feed,):
        groups = await feed.listen("alice")
        async with writer.begin() as late:
            await late.exec_driver_sql(fetched.format(at=1000, id=ids[0], events=EVENTS))
            async with writer.begin() as soon:
                await soon.exec_driver_sql(fetched.format(at=2000, id=ids[1], events=EVENTS))
            assert await take(groups, 1) == [ids[1]]

        assert await take(groups, 1) == [ids[0]]
        assert await take(await feed.listen("alice", ids[1]), 1) == [ids[0]]


async def test_nothing_is_lost_or_told_twice_over_many_returns_to_any_worker(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    monitor, count = await put_monitor(database), 120
    chosen = random.Random(6)
    databases = [open_another("relay.db") for _ in range(3)]

    async def write(which: int) -> None:
        for number in range(which, count, len(databases)):
            await put_group(databases[which], monitor, f"grp_{number}", fetched_at=chosen.randrange(1, 10_000))

    await put_group(database, monitor, "grp_first")
    await number_groups(database)
    async with feeding(*databases) as feeds:
        heard: list[str] = []
        last = "grp_first"
        writing = asyncio.gather(*(write(which) for which in range(len(databases))))
        while len(heard) < count:
            groups = await chosen.choice(feeds).listen("alice", last)
            heard += await take(groups, min(chosen.randint(1, 9), count - len(heard)))
            last = heard[-1]
            await groups.aclose()
        await writing

    assert sorted(heard) == sorted(f"grp_{number}" for number in range(count))


async def test_slow_listener_gets_all_and_holds_nobody(database: Database) -> None:
    monitor = await put_monitor(database)
    large = Update("", None, "x" * 10_000)
    async with feeding(database) as (feed,):
        slow, quick = await feed.listen("alice"), await feed.listen("alice")
        await put_group(database, monitor, "grp_00", [large])
        assert await take(slow, 1) == ["grp_00"]

        for number in range(1, 100):
            await put_group(database, monitor, f"grp_{number:02}", [large])

        assert len(await take(quick, 100)) == 100
        assert await take(slow, 99) == [f"grp_{number:02}" for number in range(1, 100)]


async def test_database_is_left_alone_while_nobody_listens(database: Database) -> None:
    monitor = await put_monitor(database)
    async with feeding(database) as (feed,):
        groups = await feed.listen("alice")
        await put_group(database, monitor, "grp_0")
        await take(groups, 1)
        await groups.aclose()
        assert feed.listeners == 0

        await put_group(database, monitor, "grp_1")
        await asyncio.sleep(0.2)  # ten looks, if it looked

        sql = "SELECT feed_number FROM monitor_events WHERE event_group_id = 'grp_1'"
        assert (await database.transact(lambda statements: statements.rows(sql, {})))[0][0] is None


async def test_wake_looks_at_once(database: Database) -> None:
    monitor, feed = await put_monitor(database), EventFeed(database, look_s=3600)
    looking = asyncio.create_task(feed.run())
    groups = await feed.listen("alice")
    first = asyncio.create_task(take(groups, 1))
    await heard_by(feed)

    await put_group(database, monitor, "grp_0")
    while not first.done():
        feed.wake()
        await asyncio.sleep(0.01)

    assert await first == ["grp_0"]
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await groups.aclose()


async def test_all_listeners_end_when_it_is_closed(database: Database) -> None:
    monitor = await put_monitor(database)
    async with feeding(database) as (feed,):
        waiting = asyncio.create_task(take(await feed.listen("alice"), 1))
        await heard_by(feed)
        feed.close()
        await put_group(database, monitor, "grp_0")

        with pytest.raises(StopAsyncIteration):
            await anext(await feed.listen("alice", "grp_0"))
        with pytest.raises(StopAsyncIteration):
            await waiting
    assert feed.listeners == 0


async def test_database_that_is_away_is_waited_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor, transact = await put_monitor(database), database.transact
    tries: list[None] = []

    async def is_away(*_: object, **__: object) -> None:
        tries.append(None)
        raise DatabaseUnavailable("The database cannot be reached.")

    async with feeding(database) as (feed,):
        groups = await feed.listen("alice")
        await put_group(database, monitor, "grp_0")
        monkeypatch.setattr(database, "transact", is_away)
        with pytest.raises(DatabaseUnavailable):
            await feed.listen("alice")
        first = asyncio.create_task(take(groups, 1))
        await until(lambda: len(tries) >= 10)

        monkeypatch.setattr(database, "transact", transact)

        assert await first == ["grp_0"]


async def test_event_of_a_stream_is_one_that_browsers_read(database: Database) -> None:
    monitor = await put_monitor(database)
    async with feeding(database) as (feed,):
        stream = await feed.stream("alice")
        await put_group(database, monitor, "grp_0", [Update("", None, "two\nlines", ("https://a.example/",))])

        async with asyncio.timeout(20):
            event = await anext(stream)
        await stream.aclose()

    kind, place, data, *end = event.decode().split("\n")
    assert OPENING == b"retry: 3000\n\n"
    assert (kind, place, end) == ("event: monitor.updates", "id: grp_0", ["", ""])
    assert json.loads(data.removeprefix("data: ")) == {
        "monitor_id": monitor.parallel_id,
        "query": "rockets",
        "event_group_id": "grp_0",
        "received_at": "2026-01-01T00:00:00.000Z",
        "events": [{"date": None, "text": "two\nlines", "sources": ["https://a.example/"]}],
    }
    assert feed.listeners == 0


async def test_event_group_that_tells_nothing_is_left_out(database: Database) -> None:
    monitor = await put_monitor(database)
    async with feeding(database) as [feed], contextlib.aclosing(await feed.listen("alice")) as groups:
        await put_group(database, monitor, "grp_empty", ())
        await put_group(database, monitor, "grp_full")

        assert await take(groups, 1) == ["grp_full"]


async def test_user_who_listens_too_often_is_refused_and_others_are_not(database: Database) -> None:
    async with feeding(database) as [feed]:
        listening = [asyncio.create_task(anext(await feed.listen("alice"))) for _ in range(16)]
        await until(lambda: feed.listeners == 16)

        with pytest.raises(RateLimited):
            await feed.listen("alice")
        await (await feed.listen("bob")).aclose()

        for each in listening:
            each.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await until(lambda: feed.listeners == 0)
        await (await feed.listen("alice")).aclose()
