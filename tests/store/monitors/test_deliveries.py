"""The queue of deliveries: each event group is in it once, and is claimed by one at a time, whoever asks."""

import asyncio
from collections.abc import Callable

from app.store.db import Database
from app.store.monitors.deliveries import (
    MOST_LOGGED,
    Attempt,
    Delivery,
    Parcel,
    claim_deliveries,
    find_delivery,
    list_deliveries,
    note_delivered,
    note_failure,
    queue_deliveries,
    release_delivery,
    replay_delivery,
)
from tests.monitor_rows import SECRET, UPDATE, forwarding_to, put_group, put_monitor

NOW = 2_000_000_000_000
UNTIL = NOW + 60_000
URL = "https://hooks.example/planted-path?key=planted-secret"
FAILED = Attempt(NOW, 503, "status 503")


async def queue(database: Database, *, since: int = 0, now: int = NOW) -> None:
    await queue_deliveries(database, since=since, now=now)


async def claim(database: Database, *, now: int = NOW, most: int = 8, busy: tuple[str, ...] = ()) -> list[Parcel]:
    return await claim_deliveries(database, now=now, until=now + 60_000, most=most, busy=busy)


async def one(database: Database) -> Parcel:
    """A delivery that was claimed."""
    monitor = await put_monitor(database, **forwarding_to(URL))
    await put_group(database, monitor, "grp_1")
    await queue(database)
    (parcel,) = await claim(database)
    return parcel


async def row_of(database: Database, parcel: Parcel) -> Delivery:
    found = await find_delivery(database, parcel.id)
    assert found is not None
    return found


async def test_what_was_fetched_is_queued_once_where_its_monitor_has_an_address(database: Database) -> None:
    monitor = await put_monitor(database, **forwarding_to(URL))
    await put_group(database, monitor, "grp_1")
    await put_group(database, monitor, "grp_2", fetched_at=None)
    await put_group(database, monitor, "grp_3", fetched_at=5)
    await put_group(database, await put_monitor(database, "bob"), "grp_4")

    await queue(database, since=6)
    await queue(database, since=6)

    assert [each.event_group_id for each in await list_deliveries(database, monitor.id, 10)] == ["grp_1"]


async def test_queueing_by_several_at_once_makes_one_delivery_of_each(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    monitor = await put_monitor(database, **forwarding_to(URL))
    groups = [await put_group(database, monitor, f"grp_{number:03}") for number in range(30)]

    await asyncio.gather(*(queue(open_another("relay.db")) for _ in range(4)))

    deliveries = await list_deliveries(database, monitor.id, 100)
    assert sorted(each.event_group_id for each in deliveries) == groups
    assert len({each.id for each in deliveries}) == 30


async def test_claim_has_all_that_is_needed_to_send(database: Database) -> None:
    monitor = await put_monitor(database, **forwarding_to(URL))
    await put_group(database, monitor, "grp_1")
    await queue(database)

    (parcel,) = await claim(database)

    assert (parcel.url, parcel.secret, parcel.attempts, parcel.begun_at) == (URL, SECRET, 1, NOW)
    assert (parcel.group.id, parcel.group.handle, parcel.group.query) == ("grp_1", monitor.parallel_id, "rockets")
    assert parcel.group.updates == (UPDATE,)
    assert "planted" not in repr(parcel)
    assert SECRET not in repr(parcel)


async def test_each_is_claimed_by_one_of_many(database: Database, open_another: Callable[[str], Database]) -> None:
    for number in range(8):
        monitor = await put_monitor(database, f"user-{number}", **forwarding_to(URL))
        await put_group(database, monitor, f"grp_{number}")
    await queue(database)

    claimed = await asyncio.gather(*(claim(open_another("relay.db")) for _ in range(4)))

    assert sorted(each.group.id for some in claimed for each in some) == [f"grp_{number}" for number in range(8)]


async def test_claim_is_free_again_when_its_time_is_over(database: Database) -> None:
    first = await one(database)

    assert await claim(database, now=UNTIL - 1) == []
    (again,) = await claim(database, now=UNTIL)

    assert (again.id, again.attempts) == (first.id, 2)


async def test_claim_takes_one_of_a_user_and_none_of_those_that_are_busy(database: Database) -> None:
    for username in ("alice", "bob", "carol"):
        monitor = await put_monitor(database, username, **forwarding_to(URL))
        for number in range(3):
            await put_group(database, monitor, f"grp_{username}_{number}")
    await queue(database)

    claimed = await claim(database, busy=("bob",))

    assert sorted(each.username for each in claimed) == ["alice", "carol"]


async def test_delivered_is_not_sent_again(database: Database) -> None:
    parcel = await one(database)

    await note_delivered(database, parcel, Attempt(NOW + 5, 204, None))

    row = await row_of(database, parcel)
    assert (row.status, row.delivered_at, row.retry_at) == ("delivered", NOW + 5, None)
    assert row.log == [{"at": NOW + 5, "status": 204, "error": None}]
    assert await claim(database, now=NOW * 2) == []


async def test_failure_is_tried_again_when_it_is_due(database: Database) -> None:
    parcel = await one(database)

    await note_failure(database, parcel, FAILED, NOW + 5000)

    assert await claim(database, now=NOW + 4999) == []
    assert [each.id for each in await claim(database, now=NOW + 5000)] == [parcel.id]
    assert (await row_of(database, parcel)).log == [{"at": NOW, "status": 503, "error": "status 503"}]


async def test_what_was_given_up_stays_so(database: Database) -> None:
    parcel = await one(database)

    await note_failure(database, parcel, FAILED, None)

    row = await row_of(database, parcel)
    assert (row.status, row.retry_at, row.delivered_at) == ("failed", None, None)
    assert await claim(database, now=NOW * 2) == []


async def test_failure_of_who_came_too_late_changes_nothing_of_the_next_attempt(database: Database) -> None:
    late = await one(database)
    (current,) = await claim(database, now=UNTIL)

    await note_failure(database, late, FAILED, None)

    assert (await row_of(database, current)).status == "pending"
    assert (await row_of(database, current)).log == []


async def test_log_keeps_the_last_attempts(database: Database) -> None:
    parcel = await one(database)

    for number in range(MOST_LOGGED + 5):
        await note_failure(database, parcel, Attempt(number, None, "ConnectError"), NOW)

    assert [each["at"] for each in (await row_of(database, parcel)).log] == list(range(5, MOST_LOGGED + 5))


async def test_released_is_due_at_once(database: Database) -> None:
    parcel = await one(database)

    await release_delivery(database, parcel, NOW + 1)

    assert [each.id for each in await claim(database, now=NOW + 1)] == [parcel.id]


async def test_replay_sends_again_and_goes_on_counting(database: Database) -> None:
    parcel = await one(database)
    await note_failure(database, parcel, FAILED, None)

    assert await replay_delivery(database, parcel.id, NOW + 10)
    assert not await replay_delivery(database, "mdl_unknown", NOW + 10)

    (again,) = await claim(database, now=NOW + 10)
    assert (again.id, again.attempts, again.begun_at) == (parcel.id, 2, NOW + 10)
    row = await row_of(database, parcel)
    assert (row.status, row.delivered_at, row.created_at, len(row.log)) == ("pending", None, NOW, 1)


async def test_unknown_delivery_is_none(database: Database) -> None:
    assert await find_delivery(database, "mdl_unknown") is None
    assert await find_delivery(database, "mdl_\0\ud800") is None
    assert await list_deliveries(database, "mon_unknown", 10) == []


async def test_event_group_that_tells_nothing_is_not_queued(database: Database) -> None:
    monitor = await put_monitor(database, **forwarding_to("https://a.example/"))
    await put_group(database, monitor, "grp_empty", ())
    await put_group(database, monitor, "grp_waiting", fetched_at=None)

    await queue_deliveries(database, since=0, now=NOW)

    assert await list_deliveries(database, monitor.id, 10) == []
