"""The numbers of the feed: no gap and none twice, whoever gives them and in whatever order transactions are committed."""

import asyncio
from collections.abc import Callable

from app.store.db import Database
from app.store.monitors.feed import feed_place, number_groups, read_feed, users_fed
from tests.monitor_rows import UPDATE, put_group, put_monitor

MOST = 10_000


async def numbers(database: Database, username: str = "alice") -> list[tuple[int, str]]:
    return [(each.number, each.group.id) for each in await read_feed(database, username, 0, MOST)]


async def test_numbers_go_by_when_they_were_fetched_and_leave_out_what_was_not(database: Database) -> None:
    monitor = await put_monitor(database)
    await put_group(database, monitor, "grp_b", fetched_at=20)
    await put_group(database, monitor, "grp_a", fetched_at=30)
    await put_group(database, monitor, "grp_c", fetched_at=None)

    assert await number_groups(database) == 2

    assert await numbers(database) == [(1, "grp_b"), (2, "grp_a")]


async def test_what_comes_late_is_behind_what_was_numbered(database: Database) -> None:
    monitor = await put_monitor(database)
    await put_group(database, monitor, "grp_1", fetched_at=1000)
    await number_groups(database)
    await put_group(database, monitor, "grp_0", fetched_at=1)

    assert await number_groups(database) == 2

    assert [each.group.id for each in await read_feed(database, "alice", 1, MOST)] == ["grp_0"]


async def test_nothing_to_number_is_none(database: Database) -> None:
    assert await number_groups(database) == 0


async def test_many_that_number_at_once_give_each_one_number(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    monitor = await put_monitor(database)
    others = [open_another("relay.db") for _ in range(4)]

    async def put_and_number(other: Database, which: int) -> None:
        for number in range(40):
            await put_group(other, monitor, f"grp_{which}_{number}", fetched_at=1000 - number)
            await number_groups(other)

    await asyncio.gather(*(put_and_number(other, which) for which, other in enumerate(others)))

    found = await numbers(database)
    assert [number for number, _ in found] == list(range(1, 161))
    assert len({group for _, group in found}) == 160


async def test_more_than_one_transaction_takes_are_all_numbered(database: Database) -> None:
    monitor = await put_monitor(database)
    for number in range(1100):
        await put_group(database, monitor, f"grp_{number}")

    assert await number_groups(database) == 1100


async def test_feed_is_of_one_user_and_tells_all_of_an_event_group(database: Database) -> None:
    monitor = await put_monitor(database)
    await put_group(database, monitor, "grp_1")
    await put_group(database, await put_monitor(database, "bob"), "grp_2")
    await number_groups(database)

    (fed,) = await read_feed(database, "alice", 0, MOST)

    assert (fed.group.id, fed.group.monitor_id, fed.group.parallel_id) == ("grp_1", monitor.id, monitor.parallel_id)
    assert (fed.group.query, fed.group.received_at, fed.group.updates) == ("rockets", 1_767_225_600_000, (UPDATE,))
    assert await users_fed(database, 0, 2) == {"alice", "bob"}
    assert await users_fed(database, 1, 2) <= {"alice", "bob"}
    assert len(await users_fed(database, 1, 2)) == 1


async def test_place_is_known_of_own_event_groups_only(database: Database) -> None:
    await put_group(database, await put_monitor(database), "grp_1")
    await number_groups(database)

    assert await feed_place(database, "alice", "grp_1") == 1
    assert await feed_place(database, "bob", "grp_1") is None
    assert await feed_place(database, "alice", "grp_0") is None
    assert await feed_place(database, "alice", "with\0NUL") is None
    assert await feed_place(database, "alice", "x" * 10_000) is None
