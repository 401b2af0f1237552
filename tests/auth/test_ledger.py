"""The ledger: who waits for room and for how long, and that nothing stays reserved that nobody knows of."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.auth import ledger as module
from app.auth import rounds
from app.auth.ledger import LimitLedger
from app.core.limits import MAX_CONCURRENT, REQUESTS_PER_MINUTE, TOKENS_PER_DAY, Ask, Cap, Reservation
from app.core.record import Hold
from app.store.db import Database, DatabaseUnavailable
from app.store.limits import LIVE_MS, beat, reserve
from app.store.requests import insert_calls
from tests.providers.transport.servers import until
from tests.store.test_limits import NO_TOKENS
from tests.store.test_requests import make_row

SUBJECT = "token:AAAAAAAA"


def make_ask(limit: str, most: int, amount: int = 1) -> Ask:
    return Ask(Cap(SUBJECT, limit, most), 0, amount)


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[LimitLedger]:
    ledger = LimitLedger(database, "worker")
    yield ledger
    await ledger.aclose()


async def read_held(database: Database) -> dict[str, int]:
    """What is reserved, by call."""
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT call_id, sum(amount) FROM limit_holds GROUP BY call_id"))
        return {call_id: int(amount) for call_id, amount in rows}


async def settle(database: Database, call_id: str, ask: Ask, tokens: int = 0) -> None:
    hold = Hold(ask.cap.subject, ask.cap.limit, ask.period, ask.amount)
    row = make_row(call_id, **(NO_TOKENS | {"output_tokens": tokens, "cost": Decimal(0)}))
    await insert_calls(database, [row | {"holds": (hold,)}])


async def timed(reserving: asyncio.Task[Reservation]) -> tuple[bool, float]:
    """Whether it was granted, and after how long."""
    started_at = time.monotonic()
    return (await reserving).granted, time.monotonic() - started_at


async def until_waiting(ledger: LimitLedger, calls: int) -> None:
    await until(lambda: sum(queue.waiting for queue in ledger._queues.values()) == calls)


async def test_call_waits_for_another_one_to_end_and_comes_as_soon_as_it_is_settled(
    database: Database, ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 60.0)
    ask = make_ask(MAX_CONCURRENT, 1)
    await ledger.reserve("first", [ask], None)
    second = asyncio.create_task(ledger.reserve("second", [ask], None))
    await until_waiting(ledger, 1)

    await settle(database, "first", ask)
    ledger.wake()

    assert (await second).granted
    assert await read_held(database) == {"second": 1}


async def test_what_another_worker_settles_is_seen_too(database: Database, ledger: LimitLedger) -> None:
    ask = make_ask(TOKENS_PER_DAY, 10, 6)
    await reserve(database, "other", "theirs", [ask])
    ours = asyncio.create_task(ledger.reserve("ours", [ask], None))
    await until_waiting(ledger, 1)

    await settle(database, "theirs", ask, tokens=4)

    assert (await ours).granted


async def test_calls_that_wait_come_in_their_order(database: Database, ledger: LimitLedger) -> None:
    ask, came = make_ask(MAX_CONCURRENT, 1), []
    await ledger.reserve("0", [ask], None)

    async def call(number: int) -> None:
        await ledger.reserve(str(number), [ask], None)
        came.append(number)
        await settle(database, str(number), ask)
        ledger.wake()

    calls = []
    for number in range(1, 6):
        calls.append(asyncio.create_task(call(number)))
        await until_waiting(ledger, number)
    await settle(database, "0", ask)
    ledger.wake()
    await asyncio.gather(*calls)

    assert came == [1, 2, 3, 4, 5]
    assert ledger._queues == {}


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        (make_ask(REQUESTS_PER_MINUTE, 1), make_ask(REQUESTS_PER_MINUTE, 1)),
        (make_ask(TOKENS_PER_DAY, 10, 5), make_ask(TOKENS_PER_DAY, 10, 11)),
    ],
    ids=["requests-are-not-refunded", "it-never-fits"],
)
async def test_call_that_waiting_brings_nothing_is_refused_at_once(
    ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch, held: Ask, asked: Ask
) -> None:
    monkeypatch.setattr(module, "POLL_S", 600.0)
    await ledger.reserve("first", [held], None)

    refused = await ledger.reserve("second", [asked], None)

    assert not refused.granted


async def test_call_is_refused_when_it_has_waited_for_its_time(
    ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_WAIT_S", 0.2)
    ask = make_ask(MAX_CONCURRENT, 1)
    await ledger.reserve("first", [ask], None)

    refused = await asyncio.gather(*(ledger.reserve(f"later-{n}", [ask], None) for n in range(3)))

    assert [one.granted for one in refused] == [False] * 3
    assert ledger._queues == {}


async def test_call_with_a_deadline_does_not_wait_beyond_it(
    ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_WAIT_S", 600.0)
    ask = make_ask(MAX_CONCURRENT, 1)
    await ledger.reserve("first", [ask], None)

    refused = await ledger.reserve("second", [ask], time.monotonic() + 0.1)

    assert not refused.granted


async def test_calls_of_a_token_that_come_at_once_are_a_few_transactions(
    database: Database, ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.reserve("first", [make_ask(MAX_CONCURRENT, 100)], None)
    transactions: list[object] = []
    transact = database.transact

    def counted(work: Callable[[Any], Any], *, writes: bool = True) -> Any:
        transactions.append(work)
        return transact(work, writes=writes)

    monkeypatch.setattr(database, "transact", counted)
    asks = [make_ask(MAX_CONCURRENT, 100), make_ask(TOKENS_PER_DAY, 1000, 7)]
    reservations = await asyncio.gather(*(ledger.reserve(f"call-{number}", asks, None) for number in range(40)))

    assert all(reservation.granted for reservation in reservations)
    assert max(reservation.standings[0].reserved for reservation in reservations) == 40
    assert await read_held(database) == {"first": 1} | {f"call-{number}": 8 for number in range(40)}
    assert len(transactions) <= 3


async def test_of_calls_that_come_at_once_as_many_are_granted_as_fit(
    database: Database, ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFUND_WAIT_S", 0.0)
    ask = make_ask(TOKENS_PER_DAY, 100, 30)

    reservations = await asyncio.gather(*(ledger.reserve(f"call-{number}", [ask], None) for number in range(8)))

    assert [reservation.granted for reservation in reservations].count(True) == 3
    assert sum((await read_held(database)).values()) == 90


async def test_caller_that_leaves_among_others_takes_nothing_and_disturbs_nobody(
    database: Database, ledger: LimitLedger
) -> None:
    ask = make_ask(MAX_CONCURRENT, 100)
    calls = [asyncio.create_task(ledger.reserve(f"call-{number}", [ask], None)) for number in range(9)]
    await asyncio.sleep(0)

    for call in calls[::2]:
        call.cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)
    await until(lambda: not ledger._undoing)

    assert [isinstance(each, Reservation) for each in done] == [bool(number % 2) for number in range(9)]
    assert set(await read_held(database)) == {f"call-{number}" for number in range(1, 9, 2)}


async def test_database_that_is_away_is_told_to_all_that_asked_at_once(
    database: Database, ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **_more: object) -> None:
        raise DatabaseUnavailable("gone")

    ask = make_ask(MAX_CONCURRENT, 100)
    with monkeypatch.context() as away:
        away.setattr(database, "transact", fail)
        calls = (ledger.reserve(f"call-{number}", [ask], None) for number in range(5))
        refused = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(each) for each in refused] == [DatabaseUnavailable] * 5
    assert (await ledger.reserve("next", [ask], None)).granted


async def test_caller_that_leaves_while_it_waits_leaves_nothing_behind(database: Database, ledger: LimitLedger) -> None:
    ask = make_ask(MAX_CONCURRENT, 1)
    await ledger.reserve("first", [ask], None)
    left = asyncio.create_task(ledger.reserve("left", [ask], None))
    await until_waiting(ledger, 1)

    left.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await left
    await settle(database, "first", ask)

    assert ledger._queues == {}
    assert (await ledger.reserve("next", [ask], None)).granted


async def test_caller_that_leaves_in_the_midst_of_a_reservation_has_it_released(
    database: Database, ledger: LimitLedger
) -> None:
    ask = make_ask(MAX_CONCURRENT, 100)
    await ledger.reserve("first", [ask], None)
    kept = {"first"}
    for step in range(30):  # at each point of its way once
        task = asyncio.create_task(ledger.reserve(f"left-{step}", [ask], None))
        for _ in range(step % 10):
            await asyncio.sleep(0)
        if step >= 10:
            await asyncio.sleep(0.0002 * (step - 9))
        if task.done():
            kept.add(f"left-{step}")
            continue
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    await until(lambda: not ledger._undoing)

    assert set(await read_held(database)) == kept
    assert len(kept) < 30


async def test_reservation_in_doubt_is_released_when_the_database_is_there_again(
    database: Database, ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reserve_and_break(*arguments: object) -> Reservation:
        await reserve(*arguments)  # type: ignore[arg-type]
        error = DatabaseUnavailable("gone")
        error.in_doubt = True
        raise error

    monkeypatch.setattr(rounds, "reserve", reserve_and_break)
    with pytest.raises(DatabaseUnavailable):
        await ledger.reserve("doubtful", [make_ask(MAX_CONCURRENT, 1)], None)
    assert await read_held(database) == {"doubtful": 1}

    running = asyncio.create_task(ledger.run())
    async with asyncio.timeout(10):
        while await read_held(database):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.01)
    running.cancel()

    assert (await read_held(database)) == {}


async def test_database_that_is_locked_is_waited_for_and_no_longer(
    database: Database, ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.path is None:
        pytest.skip("only a file is locked as a whole")
    monkeypatch.setattr(module, "ANSWER_S", 0.2)
    ask = make_ask(MAX_CONCURRENT, 1)
    await ledger.reserve("first", [make_ask(MAX_CONCURRENT, 5)], None)
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(DatabaseUnavailable, match="limits") as raised:
            await ledger.reserve("late", [ask], None)

        other.execute("ROLLBACK")
    assert dict(raised.value.headers)["retry-after"] == "5"
    await until(lambda: not ledger._undoing)
    assert await read_held(database) == {"first": 1}


async def test_place_of_a_worker_that_died_without_a_trace_is_given_to_who_waits(
    database: Database, ledger: LimitLedger
) -> None:
    ask = make_ask(MAX_CONCURRENT, 1)
    await reserve(database, "dead", "theirs", [ask])
    await beat(database, "dead", int(time.time() * 1000) - LIVE_MS - 1)

    assert (await ledger.reserve("ours", [ask], None)).granted


async def test_place_of_a_worker_that_lives_is_its_own(
    database: Database, ledger: LimitLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_WAIT_S", 0.2)
    other, ask = LimitLedger(database, "other"), make_ask(MAX_CONCURRENT, 1)
    await other.reserve("theirs", [ask], None)

    assert not (await ledger.reserve("ours", [ask], None)).granted


@pytest.mark.parametrize("ending", ["closed", "buried"])
async def test_worker_that_ends_leaves_nothing_reserved(database: Database, ledger: LimitLedger, ending: str) -> None:
    other = LimitLedger(database, "other")
    await other.reserve("theirs", [make_ask(MAX_CONCURRENT, 5)], None)
    await ledger.reserve("ours", [make_ask(MAX_CONCURRENT, 5)], None)

    await (other.aclose() if ending == "closed" else ledger.bury("other"))

    assert await read_held(database) == {"ours": 1}


async def test_ledger_that_never_reserved_does_not_ask_the_database_when_it_is_closed(
    open_another: Callable[[str], Database],
) -> None:
    await LimitLedger(open_another("empty.db"), "worker").aclose()
