"""What calls asked and got, on its way into the database."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from app.metering.bodies import MAX_BYTES, MAX_WAITING_BYTES, Bodies, BodyLog, unseal_bodies
from app.metering.sealing import InvalidKey
from app.store.bodies import find_bodies
from app.store.db import Database, DatabaseUnavailable
from tests.databases import sqlite_only

KEY = bytes(range(32))


def no_key() -> bytes:
    raise InvalidKey("There is no key.")


async def read(db: Database, request_id: str) -> Bodies | None:
    stored = await find_bodies(db, request_id)
    return None if stored is None else unseal_bodies(KEY, stored)


def keep(body_log: BodyLog, request_id: str, request: bytes, *chunks: bytes) -> None:
    collected = body_log.begin(request_id, request)
    for chunk in chunks:
        collected.feed(chunk)
    collected.close()


async def test_both_sides_are_kept_and_nobody_reads_them_without_the_key(database: Database) -> None:
    body_log = BodyLog(database, lambda: KEY)

    keep(body_log, "req_1", b"the question", b"the ", b"answer")
    keep(body_log, "req_2", b"", b"")
    await body_log.flush()

    assert await read(database, "req_1") == Bodies(b"the question", b"the answer", 12, 10)
    assert await read(database, "req_2") == Bodies(b"", b"", 0, 0)
    stored = await find_bodies(database, "req_1")
    assert stored is not None
    assert b"question" not in stored.request
    assert b"answer" not in stored.reply


async def test_long_sides_are_cut_and_told_to_be(database: Database) -> None:
    body_log = BodyLog(database, lambda: KEY)

    keep(body_log, "req_1", b"q" * (MAX_BYTES + 1), *[b"a" * 400_000] * 4)
    await body_log.flush()

    assert await read(database, "req_1") == Bodies(b"q" * MAX_BYTES, b"a" * MAX_BYTES, MAX_BYTES + 1, 1_600_000)


async def test_sides_that_just_fit_are_whole(database: Database) -> None:
    body_log = BodyLog(database, lambda: KEY)

    keep(body_log, "req_1", b"q" * MAX_BYTES, b"a" * (MAX_BYTES - 1), b"b")
    await body_log.flush()

    kept = await read(database, "req_1")
    assert kept is not None
    assert (len(kept.request), kept.request_bytes) == (MAX_BYTES, MAX_BYTES)
    assert kept.reply.endswith(b"ab")
    assert kept.reply_bytes == MAX_BYTES


async def test_many_are_written_in_several_transactions(database: Database) -> None:
    body_log = BodyLog(database, lambda: KEY)
    for number in range(9):
        keep(body_log, f"req_{number}", b"q" * 100_000)

    await body_log.flush()

    assert [bool(await read(database, f"req_{number}")) for number in range(9)] == [True] * 9
    assert body_log._waiting_bytes == 0


async def test_what_comes_is_written_beside(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.metering.bodies.BATCH_S", 0)
    body_log = BodyLog(database, lambda: KEY)
    running = asyncio.create_task(body_log.run())
    keep(body_log, "req_1", b"q")

    async with asyncio.timeout(10):
        while await read(database, "req_1") is None:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
    running.cancel()


async def test_what_the_database_does_not_take_waits_and_is_written_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.metering.bodies.BATCH_S", 0)
    monkeypatch.setattr("app.metering.bodies.RETRY_S", 0)
    body_log, transact, failures = BodyLog(database, lambda: KEY), database.transact, 3

    async def failing(work, *, writes=True):  # type: ignore[no-untyped-def] # as `transact`
        nonlocal failures
        if writes and failures:
            failures -= 1
            raise DatabaseUnavailable("locked")
        return await transact(work, writes=writes)

    monkeypatch.setattr(database, "transact", failing)
    keep(body_log, "req_1", b"q")
    running = asyncio.create_task(body_log.run())

    async with asyncio.timeout(10):
        while await read(database, "req_1") is None:  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
    running.cancel()

    assert failures == 0


async def test_rest_is_written_at_the_end(database: Database) -> None:
    body_log = BodyLog(database, lambda: KEY)
    keep(body_log, "req_1", b"q")

    await body_log.aclose()

    assert await read(database, "req_1") is not None


@sqlite_only  # a server says of tables that are missing that we are wrong, not that it is away
@pytest.mark.parametrize("away", ["key", "database"])
async def test_what_cannot_be_written_at_the_end_is_told(
    database: Database, open_another: Callable[[str], Database], caplog: pytest.LogCaptureFixture, away: str
) -> None:
    body_log = BodyLog(database, no_key) if away == "key" else BodyLog(open_another("without-tables.db"), lambda: KEY)
    keep(body_log, "req_1", b"q")

    await body_log.aclose()

    assert "the bodies of 1 calls were left out" in caplog.text


async def test_what_waits_is_bounded_and_the_rest_told(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    body_log = BodyLog(database, lambda: KEY)
    most = MAX_WAITING_BYTES // MAX_BYTES
    for number in range(most + 2):
        keep(body_log, f"req_{number}", bytes(MAX_BYTES))

    assert (len(body_log._waiting), body_log._waiting_bytes) == (most, MAX_WAITING_BYTES)
    body_log._waiting.clear()
    with caplog.at_level(logging.ERROR):
        await body_log.flush()
    assert "the bodies of 2 calls were left out" in caplog.text
