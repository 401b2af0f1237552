"""Changes and the entries that tell of them come together; what was done to the log afterwards is seen."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text

from app.core.audit import ACTOR, Actor, changing
from app.core.errors import Unavailable
from app.store.audit import acting, note, read_entries, read_values, verify_entries
from app.store.db import Database
from app.store.revisions import bump_revision, revision_of


async def bump_in(database: Database, subject: str) -> None:
    async with database.begin() as connection:
        await bump_revision(connection, subject)


async def _change(database: Database, subject: str = "t1") -> None:
    with changing("token.modify", subject, before={"rate_limit": 15}, after={"rate_limit": 20, "password": "hunter2"}):
        async with database.begin() as connection:
            await bump_revision(connection, "tokens")


async def test_change_is_written_with_its_transaction_by_whoever_acts(database: Database) -> None:
    reset = ACTOR.set(Actor("admin", "alice", "127.0.0.1"))

    await _change(database)
    ACTOR.reset(reset)

    (entry,) = await read_entries(database)
    assert (entry.number, entry.actor, entry.address, entry.action) == (1, "admin:alice", "127.0.0.1", "token.modify")
    assert (entry.before, entry.after) == ({"rate_limit": 15}, {"rate_limit": 20, "password": "[redacted]"})
    assert await verify_entries(database) == (1, None)


async def test_actors_and_actions_that_stand_in_it_are_told_once_each(database: Database) -> None:
    for actor, action in (("b", "token.modify"), ("a", "price.set"), ("b", "price.set")):
        reset = ACTOR.set(Actor("admin", actor, "127.0.0.1"))
        await note(database, action, "t1")
        ACTOR.reset(reset)

    assert await read_values(database, "actor") == ["admin:a", "admin:b"]
    assert await read_values(database, "action") == ["price.set", "token.modify"]


async def test_change_that_fails_leaves_no_entry(database: Database) -> None:
    async def fail() -> None:
        with changing("token.modify", "t1"):
            async with database.begin() as connection:
                await bump_revision(connection, "tokens")
                raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()

    assert await read_entries(database) == []


async def test_only_the_first_transaction_of_a_change_writes_it(database: Database) -> None:
    with changing("token.modify", "t1"):
        await database.transact(lambda statements: statements.rows("DELETE FROM tokens", {}))
        await database.transact(lambda statements: statements.rows("DELETE FROM tokens", {}))

    assert len(await read_entries(database)) == 1


@pytest.mark.parametrize("in_one_visit", [True, False])
async def test_change_that_changes_nothing_is_neither_written_nor_told(database: Database, in_one_visit: bool) -> None:
    insert = "INSERT INTO revisions (subject, number) VALUES ('tried', 1)"
    fields = {"rates": {"input": "1"}, "models": ("a", "b"), "secret": "hunter2"}

    with changing("price.set", "acme/m", before=fields, after=fields | {"models": ["a", "b"]}) as change:
        if in_one_visit:
            await database.transact(lambda statements: statements.rows(insert, {}))
        else:
            async with database.begin() as connection:
                await connection.execute(text(insert))
        await bump_in(database, "after it")

    assert change.taken
    assert await read_entries(database) == []
    assert await revision_of(database, "tried") == 0
    assert await revision_of(database, "after it") == 1, "only the transaction of the change itself"


async def test_secret_that_changes_is_told_without_being_shown(database: Database) -> None:
    before = {"password": "hunter2", "headers": {"X-Team": "blue", "X-Other": "1"}, "keys": ["a"], "note": "x" * 5000}

    with changing(
        "provider.modify", "own", before=before, after={**before, "headers": {"X-Team": "red", "X-Other": "1"}}
    ):
        await bump_in(database, "catalog")
    with changing("provider.modify", "own", before=before, after=before | {"password": "hunter3", "note": "x" * 5001}):
        await bump_in(database, "catalog")

    second, first = await read_entries(database)
    assert first.after["headers"] == {"X-Team": "[redacted] (changed)", "X-Other": "[redacted]"}
    assert first.before["headers"] == {"X-Team": "[redacted]", "X-Other": "[redacted]"}
    assert (second.after["password"], second.after["note"][-11:]) == ("[redacted] (changed)", "… (changed)")
    assert await verify_entries(database) == (2, None)


async def test_act_is_told_before_it_begins_and_how_it_ended(database: Database) -> None:
    async with acting(database, "cache.clear", "faq", before={"entries": 2}) as told:
        (begun,) = await read_entries(database)
        told["pages"] = 3

    (done, _) = await read_entries(database)
    assert (begun.before, begun.after) == ({"entries": 2}, {"outcome": "begun"})
    assert (done.action, done.subject, done.before) == ("cache.clear", "faq", {"entries": 2})
    assert done.after == {"pages": 3, "outcome": "done"}


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (Unavailable("No sk-planted-0123456789 for you."), {"reason": "No [redacted] for you.", "outcome": "failed"}),
        (OSError("hunter2"), {"reason": "OSError", "outcome": "failed"}),
        (asyncio.CancelledError(), {"outcome": "stopped"}),
    ],
)
async def test_act_that_fails_says_why(database: Database, error: BaseException, ending: dict[str, str]) -> None:
    async def act() -> None:
        async with acting(database, "ollama.pull", "shed", after={"model": "m"}):
            raise error

    with pytest.raises(type(error)):
        await act()

    assert [each.after for each in await read_entries(database)] == [
        {"model": "m"} | ending,
        {"model": "m", "outcome": "begun"},
    ]


async def test_act_of_one_who_leaves_is_told_as_his_whoever_clears_up(database: Database) -> None:
    async def pull() -> AsyncGenerator[int, None]:
        async with acting(database, "ollama.pull", "shed"):
            yield 1
            yield 2

    reset = ACTOR.set(Actor("admin", "alice"))
    lines = pull()
    await anext(lines)
    ACTOR.reset(reset)
    clearing = asyncio.create_task(lines.aclose())
    while not clearing.done():
        clearing.cancel()
        await asyncio.sleep(0)

    assert [(each.actor, each.after) for each in await read_entries(database)] == [
        ("admin:alice", {"outcome": "stopped"}),
        ("admin:alice", {"outcome": "begun"}),
    ]


async def test_changes_at_the_same_time_have_numbers_without_gaps(database: Database) -> None:
    await asyncio.gather(*(_change(database, f"t{number}") for number in range(12)))
    await note(database, "call.stop", "req_1")

    entries = await read_entries(database)
    assert [entry.number for entry in entries] == list(range(13, 0, -1))
    assert await verify_entries(database) == (13, None)
    assert [entry.number for entry in await read_entries(database, before_number=3)] == [2, 1]
    assert [entry.action for entry in await read_entries(database, action="call.stop")] == ["call.stop"]


@pytest.mark.parametrize(
    ("meddle", "fault"),
    [
        ("UPDATE audit_log SET actor = 'admin:mallory' WHERE number = 2", "Entry 2 is not what was written."),
        ("UPDATE audit_log SET after = '{}' WHERE number = 2", "Entry 2 is not what was written."),
        ("DELETE FROM audit_log WHERE number = 2", "Entry 2 is missing."),
        ("DELETE FROM audit_log WHERE number = 3", "The entries from 3 on are missing."),
    ],
)
async def test_what_was_done_to_the_log_is_seen(database: Database, meddle: str, fault: str) -> None:
    for number in range(3):
        await _change(database, f"t{number}")

    async with database.begin() as connection:
        await connection.execute(text(meddle))

    assert (await verify_entries(database))[1] == fault
