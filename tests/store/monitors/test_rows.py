"""Rows of monitors: one active a user (or as many as the limit says), whoever creates at the same time, and ends that wait for Parallel."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.store.db import Database
from app.store.monitors.rows import (
    Monitor,
    activate,
    add_monitor,
    begin_cancel,
    due_cancels,
    end_monitors_of_nobody,
    expire_monitors,
    fail_creation,
    find_monitor,
    finish_cancel,
    list_monitors,
    monitors_with,
    note_cancel_failure,
)
from app.store.tokens import StoredToken, insert_tokens
from tests.monitor_rows import put_monitor


def monitor(number: int, username: str = "ana", expires_at: int = 1_000_000) -> Monitor:
    return Monitor(f"mon_{number}", username, "q", "1d", "lite", "creating", number, expires_at)


async def active(database: Database, number: int, *, most: int = 1, username: str = "ana") -> list[str]:
    """Make one active; the ids of those that it took the place of."""
    new = monitor(number, username)
    await add_monitor(database, new)
    replaced = await activate(database, new, f"monitor_{number}", most=most, now=number)
    assert replaced is not None
    return [each.id for each in replaced]


async def statuses(database: Database) -> dict[str, str]:
    return {each.id: each.status for each in await list_monitors(database, None, 1000)}


async def test_one_more_takes_the_place_of_the_oldest(database: Database) -> None:
    assert await active(database, 1, most=2) == []
    assert await active(database, 2, most=2) == []
    assert await active(database, 3, most=2) == ["mon_1"]

    assert await statuses(database) == {"mon_1": "cancelling", "mon_2": "active", "mon_3": "active"}
    assert {each.slot for each in await monitors_with(database, "active")} == {1, 2}


async def test_lower_limit_ends_all_that_are_too_many(database: Database) -> None:
    for number in (1, 2, 3):
        await active(database, number, most=3)

    assert await active(database, 4, most=1) == ["mon_1", "mon_2", "mon_3"]
    assert Counter((await statuses(database)).values()) == {"cancelling": 3, "active": 1}


async def test_users_do_not_take_each_others_place(database: Database) -> None:
    await active(database, 1, username="ana")

    assert await active(database, 2, username="ben") == []
    assert [each.id for each in await list_monitors(database, "ana", 10)] == ["mon_1"]


async def test_creations_at_the_same_time_leave_one_active(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    others = [database, open_another("relay.db"), open_another("relay.db")]

    await asyncio.gather(*(active(others[number % 3], number) for number in range(1, 13)))

    assert Counter((await statuses(database)).values()) == {"cancelling": 11, "active": 1}
    assert len({each.id for each in await due_cancels(database, 100, 100)}) == 11


async def test_that_there_is_one_active_is_a_rule_of_the_database(database: Database) -> None:
    await active(database, 1)
    await add_monitor(database, monitor(2))

    with pytest.raises(Exception, match=r"(?i)unique"):
        async with database.begin() as connection:
            await connection.execute(text("UPDATE monitors SET status = 'active', slot = 1 WHERE id = 'mon_2'"))


async def test_one_that_is_no_longer_being_created_is_not_made_active(database: Database) -> None:
    await active(database, 1)
    late = monitor(2)
    await add_monitor(database, late)
    await fail_creation(database, late.id, "too late", now=5)

    assert await activate(database, late, "monitor_2", most=1, now=6) is None
    assert await statuses(database) == {"mon_1": "cancelling", "mon_2": "failed"}


async def test_end_waits_until_parallel_agreed(database: Database) -> None:
    await active(database, 1)

    assert await begin_cancel(database, "mon_1", "user", 10)
    assert not await begin_cancel(database, "mon_1", "expired", 10)
    await note_cancel_failure(database, "mon_1", "away", 50)
    assert await due_cancels(database, 49, 10) == []
    [due] = await due_cancels(database, 50, 10)
    assert (due.status, due.reason, due.attempts, due.last_error) == ("cancelling", "user", 1, "away")
    assert await finish_cancel(database, "mon_1", 60)
    assert not await finish_cancel(database, "mon_1", 61)
    found = await find_monitor(database, "monitor_1")
    assert found is not None
    assert (found.status, found.reason, found.cancelled_at) == ("cancelled", "user", 60)


async def test_expired_ones_are_to_end(database: Database) -> None:
    await active(database, 1)
    await expire_monitors(database, 999_999)
    assert await statuses(database) == {"mon_1": "active"}

    await expire_monitors(database, 1_000_000)

    [due] = await due_cancels(database, 1_000_000, 10)
    assert (due.id, due.reason, due.slot) == ("mon_1", "expired", None)


async def test_one_that_closed_by_itself_is_gone(database: Database) -> None:
    await active(database, 1)

    assert await finish_cancel(database, "mon_1", 10)

    found = await find_monitor(database, "mon_1")
    assert found is not None
    assert (found.status, found.reason) == ("cancelled", "gone")


async def test_creation_that_failed_there_and_here(database: Database) -> None:
    for number in (1, 2):
        await add_monitor(database, monitor(number))

    await fail_creation(database, "mon_1", "refused", now=7)
    await fail_creation(database, "mon_2", "lost", now=7, parallel_id="monitor_2")

    assert await statuses(database) == {"mon_1": "failed", "mon_2": "cancelling"}
    assert [each.parallel_id for each in await due_cancels(database, 7, 10)] == ["monitor_2"]


async def test_none_is_found_by_what_no_database_takes(database: Database) -> None:
    await active(database, 1)

    assert await find_monitor(database, "mon_1\0") is None
    assert await find_monitor(database, "\ud800") is None


async def test_error_of_any_text_can_be_kept(database: Database) -> None:
    await add_monitor(database, monitor(1))
    await active(database, 2)
    await begin_cancel(database, "mon_2", "user", 3)

    await fail_creation(database, "mon_1", "no\0 \ud800", now=7)
    await note_cancel_failure(database, "mon_2", "no\0 \ud800", 50)

    assert [each.last_error for each in await list_monitors(database, None, 10)] == ["no? ?", "no? ?"]


async def test_those_that_are_replaced_are_told_as_they_are_now(database: Database) -> None:
    await active(database, 1)
    new = monitor(2)
    await add_monitor(database, new)

    replaced = await activate(database, new, "monitor_2", most=1, now=7)

    assert replaced is not None
    assert [(each.id, each.status, each.reason) for each in replaced] == [("mon_1", "cancelling", "replaced")]


def test_monitor_shows_neither_its_secret_nor_its_address() -> None:
    shown = repr(replace(monitor(1), forward_url="https://a.example/planted", forward_secret="whsec_planted"))

    assert "mon_1" in shown
    assert "planted" not in shown


async def test_monitors_end_with_the_last_good_token_of_their_user(database: Database) -> None:
    tokens: dict[str, list[dict[str, Any]]] = {
        "ana": [{}],
        "ben": [{"disabled": True}],
        "cy": [{"expires_at": 500}],
        "di": [{"disabled": True}, {}],
    }
    for number, (username, all_of_user) in enumerate(tokens.items()):
        await put_monitor(database, username)
        for each, fields in enumerate(all_of_user):
            name = f"tok{number}{each:04}"
            token = StoredToken(name, name.encode(), username, rate_limit=1, created_at=1, **fields)
            await insert_tokens(database, [token])
    await put_monitor(database, "never")

    await end_monitors_of_nobody(database, 1000)

    ended = {each.username: each.reason for each in await due_cancels(database, 1000, 10)}
    assert ended == {"ben": "user_gone", "cy": "user_gone", "never": "user_gone"}
