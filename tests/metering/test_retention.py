"""What is deleted when its time is over, and what stays."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import func, insert, select

from app.metering.retention import EVERY_S, FIRST_S, LEASE, LEASE_MS, ROWS_AT_ONCE, Retention
from app.metering.rows import insert_records
from app.store.db import Database
from app.store.leases import hold_lease
from app.store.tables import LEASES, REQUEST_BODIES, REQUEST_LOGS, TOKENS
from app.store.times import MS_PER_DAY
from app.store.tokens import StoredToken, insert_tokens
from tests.calls import PRINCIPAL, make_record
from tests.databases import sqlite_only

TODAY = 20_000
NOON = TODAY * MS_PER_DAY + MS_PER_DAY // 2


async def add_calls(db: Database, *received_at: float) -> None:
    records = [make_record(id=f"req_{number}", received_at=ms / 1000) for number, ms in enumerate(received_at)]
    await insert_records(db, records)


async def add_bodies(db: Database, *stored_at: int) -> None:
    rows = [
        {"request_id": f"req_{ms}", "stored_at": ms, "request": b"", "reply": b"", "request_bytes": 0, "reply_bytes": 0}
        for ms in stored_at
    ]
    async with db.begin() as connection:
        await connection.execute(insert(REQUEST_BODIES), rows)


async def calls_left(db: Database) -> list[int]:
    async with db.read() as connection:
        times = await connection.execute(select(REQUEST_LOGS.c.received_at).order_by(REQUEST_LOGS.c.received_at))
        return list(times.scalars())


async def bodies_left(db: Database) -> list[int]:
    async with db.read() as connection:
        times = await connection.execute(select(REQUEST_BODIES.c.stored_at).order_by(REQUEST_BODIES.c.stored_at))
        return list(times.scalars())


def retention(db: Database, *, calls_days: int = 90, bodies_days: int = 7, now: int = NOON) -> Retention:
    return Retention(db, calls_days=lambda: calls_days, bodies_days=lambda: bodies_days, clock=lambda: now)


async def test_calls_are_deleted_by_whole_days(database: Database) -> None:
    midnight = (TODAY - 90) * MS_PER_DAY
    await add_calls(database, midnight - MS_PER_DAY, midnight - 1, midnight, NOON)

    await retention(database).sweep()

    assert await calls_left(database) == [midnight, NOON]


async def test_bodies_are_deleted_to_the_moment(database: Database) -> None:
    oldest = NOON - 7 * MS_PER_DAY
    await add_bodies(database, oldest - 1, oldest, NOON)

    await retention(database).sweep()

    assert await bodies_left(database) == [oldest, NOON]


async def test_nought_keeps_for_ever(database: Database) -> None:
    await add_calls(database, 1000)
    await add_bodies(database, 1000)

    await retention(database, calls_days=0, bodies_days=0).sweep()

    assert (await calls_left(database), await bodies_left(database)) == ([1000], [1000])


async def test_what_a_token_has_used_stays(database: Database) -> None:
    await insert_tokens(database, [StoredToken(PRINCIPAL.token_id, b"d" * 32, "alice", 5, 0)])
    await add_calls(database, 1000, 2000)

    await retention(database).sweep()

    assert await calls_left(database) == []
    async with database.read() as connection:
        assert (await connection.execute(select(TOKENS.c.lifetime_requests))).scalar_one() == 2


async def test_many_calls_go_a_few_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.metering.retention.PAUSE_S", 0)
    await add_calls(database, *range(1000, 1000 + 3 * ROWS_AT_ONCE + 1), NOON)
    left = []
    transact = database.transact

    async def watched(work, *, writes=True):  # type: ignore[no-untyped-def] # as `transact`
        result = await transact(work, writes=writes)
        left.append(len(await calls_left(database)))
        return result

    monkeypatch.setattr(database, "transact", watched)

    await retention(database).sweep()

    assert sorted({*left}, reverse=True) == [302, 202, 102, 2, 1]
    assert await calls_left(database) == [NOON]


async def test_one_worker_is_at_it_at_a_time(database: Database, open_another: Callable[[str], Database]) -> None:
    await add_calls(database, 1000)
    await hold_lease(open_another("relay.db"), LEASE, "another", now=NOON, for_ms=LEASE_MS)

    await retention(database).sweep()
    assert await calls_left(database) == [1000]
    await retention(database, now=NOON + LEASE_MS).sweep()

    assert await calls_left(database) == []


async def test_worker_that_is_done_lets_the_next_one(database: Database) -> None:
    await retention(database).sweep()

    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(LEASES))).scalar_one() == 0


async def test_worker_that_lost_its_turn_stops(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.metering.retention.PAUSE_S", 0)
    await add_calls(database, *range(1000, 1000 + 3 * ROWS_AT_ONCE))
    # It was away for so long after its first batch that another one has begun.
    times = iter([NOON, NOON, NOON, NOON + 2 * LEASE_MS, NOON + 2 * LEASE_MS])
    sweeping = Retention(database, calls_days=lambda: 90, bodies_days=lambda: 0, clock=lambda: next(times))
    transact = database.transact
    seen = 0

    async def watched(work, *, writes=True):  # type: ignore[no-untyped-def] # as `transact`
        nonlocal seen
        seen += 1
        result = await transact(work, writes=writes)
        if seen == 2:
            await hold_lease(database, LEASE, "another", now=NOON + LEASE_MS, for_ms=10 * LEASE_MS)
        return result

    monkeypatch.setattr(database, "transact", watched)

    await sweeping.sweep()

    assert len(await calls_left(database)) == 2 * ROWS_AT_ONCE


@sqlite_only  # a server says of tables that are missing that we are wrong, not that it is away
async def test_database_that_is_away_ends_nothing(
    open_another: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            enough.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("app.metering.retention.asyncio.sleep", sleep)
    running = asyncio.create_task(retention(open_another("without-tables.db")).run())
    await enough.wait()
    running.cancel()

    assert slept == [FIRST_S, EVERY_S, EVERY_S]
