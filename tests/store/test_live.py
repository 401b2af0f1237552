"""What workers tell each other of live calls, and for how long."""

from app.store.db import Database
from app.store.live import ask_stop, delete_live, note_stopped, read_live, read_wishes, watch, write_live

NOW = 1_790_000_000_000


async def test_workers_are_asked_to_tell_for_as_long_as_somebody_looks(database: Database) -> None:
    assert not await watch(database, now=NOW, until=NOW + 8000)
    assert await watch(database, now=NOW + 100, until=NOW + 5000)  # of two who look, the later end counts

    assert await read_wishes(database, NOW + 7999) == (True, {})
    assert await read_wishes(database, NOW + 8000) == (False, {})


async def test_worker_tells_the_others_until_it_is_gone_or_silent(database: Database) -> None:
    await write_live(database, "one", NOW, {"count": 9})
    await write_live(database, "one", NOW + 1, {"count": 1})
    await write_live(database, "two", NOW - 5000, {"count": 2})

    assert await read_live(database, but="three", since=NOW) == [{"count": 1}]
    assert await read_live(database, but="one", since=0) == [{"count": 2}]

    await delete_live(database, "one")
    await watch(database, now=NOW + 56_000, until=NOW)  # who looks tidies up
    assert await read_live(database, but="three", since=0) == []


async def test_stop_is_told_until_it_is_done(database: Database) -> None:
    for id_ in ("a", "b"):
        await ask_stop(database, id_, NOW)
    await ask_stop(database, "a", NOW + 1)

    assert (await read_wishes(database, NOW))[1] == {"a": NOW + 1, "b": NOW}
    await note_stopped(database, ["a"])
    assert (await read_wishes(database, NOW))[1] == {"b": NOW}
