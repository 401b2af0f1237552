"""Limits in the database: what is reserved, settled and released, and never more than the limit."""

import asyncio
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.core.limits import (
    BUDGET_PER_DAY,
    BUDGET_PER_MONTH,
    LIMITS,
    MAX_CONCURRENT,
    REQUESTS_PER_MINUTE,
    TOKENS_PER_DAY,
    TOKENS_PER_MINUTE,
    Ask,
    Cap,
    period_of,
)
from app.core.money import PICO_USD
from app.core.record import Hold, helper_holds
from app.store.db import Database
from app.store.limits import (
    LIVE_MS,
    beat,
    read_all_standings,
    read_standings,
    release_calls,
    release_places,
    release_worker,
    reserve,
    reserve_together,
    tidy,
)
from app.store.requests import insert_calls
from tests.store.test_requests import make_row

WORKER = "worker-1"
NOW = 1_790_000_000.0
NO_TOKENS = dict.fromkeys([name for name in make_row("a") if name.endswith("_tokens")], 0)


def make_ask(limit: str, most: int, amount: int, subject: str = "token:AAAAAAAA") -> Ask:
    return Ask(Cap(subject, limit, most), period_of(limit, NOW), amount)


def holds_of(asks: Sequence[Ask]) -> tuple[Hold, ...]:
    return tuple(Hold(ask.cap.subject, ask.cap.limit, ask.period, ask.amount) for ask in asks)


async def settle(database: Database, call_id: str, asks: Sequence[Ask], tokens: int = 0, **columns: Any) -> None:
    """As the writer does it, when the call has ended."""
    row = make_row(call_id, **(NO_TOKENS | {"output_tokens": tokens, "cost": Decimal(0), "attempts": 1} | columns))
    await insert_calls(database, [row | {"holds": holds_of(asks)}])


async def read_uses(database: Database) -> dict[tuple[str, str], tuple[int, int]]:
    """What is used and reserved, by subject and limit; and it is what calls hold."""
    async with database.read() as connection:
        uses = (await connection.execute(text('SELECT subject, "limit", period, used, reserved FROM limit_uses'))).all()
        held = (
            await connection.execute(
                text('SELECT subject, "limit", period, sum(amount) FROM limit_holds GROUP BY subject, "limit", period')
            )
        ).all()
    by_key = {(subject, limit, period): int(amount) for subject, limit, period, amount in held}
    assert {(use[0], use[1], use[2]): use[4] for use in uses if use[4]} == {k: v for k, v in by_key.items() if v}
    return {(use[0], use[1]): (use[3], use[4]) for use in uses}


async def used_of(database: Database, ask: Ask) -> tuple[int, int]:
    return (await read_uses(database)).get((ask.cap.subject, ask.cap.limit), (0, 0))


async def test_as_much_as_the_limit_is_reserved_and_not_one_more(database: Database) -> None:
    ask = make_ask(TOKENS_PER_DAY, most=10, amount=3)

    granted = [(await reserve(database, WORKER, f"call-{n}", [ask])).granted for n in range(5)]

    assert granted == [True, True, True, False, False]
    assert await used_of(database, ask) == (0, 9)
    last = await reserve(database, WORKER, "call-9", [make_ask(TOKENS_PER_DAY, most=10, amount=1)])
    assert last.granted


async def test_first_call_of_a_period_is_held_to_the_limit_too(database: Database) -> None:
    ask = make_ask(TOKENS_PER_DAY, most=10, amount=11)

    assert not (await reserve(database, WORKER, "call", [ask])).granted
    assert await used_of(database, ask) == (0, 0)


async def test_refusal_by_one_limit_takes_nothing_of_the_others_and_tells_how_all_stand(database: Database) -> None:
    asks = [make_ask(limit, most=10, amount=6) for limit in (TOKENS_PER_MINUTE, TOKENS_PER_DAY, MAX_CONCURRENT)]
    await reserve(database, WORKER, "first", asks[1:2])

    refused = await reserve(database, WORKER, "second", asks)

    assert not refused.granted
    told = {standing.ask.cap.limit: (standing.used, standing.reserved, standing.fits) for standing in refused.standings}
    assert told == {
        TOKENS_PER_MINUTE: (0, 0, True),
        TOKENS_PER_DAY: (0, 6, False),
        MAX_CONCURRENT: (0, 0, True),
    }
    assert await read_uses(database) == {("token:AAAAAAAA", TOKENS_PER_DAY): (0, 6)}


async def test_standing_of_what_was_granted_leaves_the_call_itself_out(database: Database) -> None:
    await reserve(database, WORKER, "first", [make_ask(TOKENS_PER_DAY, most=10, amount=3)])

    (standing,) = (await reserve(database, WORKER, "second", [make_ask(TOKENS_PER_DAY, most=10, amount=4)])).standings

    assert (standing.used, standing.reserved) == (0, 3)


@pytest.mark.parametrize(
    ("limit", "columns", "used"),
    [
        (TOKENS_PER_MINUTE, {"input_tokens": 4, "cache_read_tokens": 2, "reasoning_tokens": 1, "output_tokens": 3}, 10),
        (TOKENS_PER_DAY, {}, 0),
        (BUDGET_PER_DAY, {"cost": Decimal("0.25")}, PICO_USD // 4),
        (BUDGET_PER_MONTH, {"cost": None, "input_tokens": 1}, 99),  # what was reserved, as nobody knows the price
        (BUDGET_PER_MONTH, {"cost": None, "requests": 0}, 0),
        (REQUESTS_PER_MINUTE, {"attempts": 2}, 1),
        (REQUESTS_PER_MINUTE, {"attempts": 0}, 0),
        (MAX_CONCURRENT, {}, 0),
    ],
)
async def test_row_settles_what_was_reserved_by_what_was_used(
    database: Database, limit: str, columns: dict[str, Any], used: int
) -> None:
    ask = make_ask(limit, most=PICO_USD, amount=99)
    await reserve(database, WORKER, "call", [ask])

    await settle(database, "call", [ask], **({"requests": 1} | columns))

    assert await used_of(database, ask) == (used, 0)


async def test_row_that_comes_again_settles_nothing_again(database: Database) -> None:
    ask = make_ask(TOKENS_PER_DAY, most=10, amount=5)
    await reserve(database, WORKER, "call", [ask])
    await reserve(database, WORKER, "other", [ask])

    for _ in range(3):
        await settle(database, "call", [ask], tokens=2)

    assert await used_of(database, ask) == (2, 5)


async def test_more_than_was_reserved_counts_too(database: Database) -> None:
    ask = make_ask(TOKENS_PER_DAY, most=10, amount=5)
    await reserve(database, WORKER, "call", [ask])

    await settle(database, "call", [ask], tokens=50)

    assert await used_of(database, ask) == (50, 0)
    assert not (await reserve(database, WORKER, "next", [make_ask(TOKENS_PER_DAY, most=10, amount=0)])).granted


async def test_call_made_for_another_counts_what_it_used_and_no_request(database: Database) -> None:
    asks = [make_ask(limit, most=100, amount=5) for limit in (TOKENS_PER_DAY, REQUESTS_PER_MINUTE, MAX_CONCURRENT)]
    await reserve(database, WORKER, "call", asks)
    row = make_row("helper", **(NO_TOKENS | {"output_tokens": 7, "parent_id": "call"}))

    await insert_calls(database, [row | {"holds": helper_holds(holds_of(asks))}])
    await settle(database, "call", asks, tokens=2)

    uses = await read_uses(database)
    assert {limit: use for (_, limit), use in uses.items()} == {
        TOKENS_PER_DAY: (9, 0),
        REQUESTS_PER_MINUTE: (1, 0),
        MAX_CONCURRENT: (0, 0),
    }


async def test_reservation_that_nobody_waits_for_any_more_is_not_made(database: Database) -> None:
    ask = make_ask(TOKENS_PER_DAY, most=10, amount=5)

    await reserve(database, WORKER, "call", [ask], lambda: False)

    assert await read_uses(database) == {}


async def test_call_without_a_row_is_released_and_twice_is_once(database: Database) -> None:
    ask = make_ask(MAX_CONCURRENT, most=2, amount=1)
    await reserve(database, WORKER, "call", [ask])
    await reserve(database, WORKER, "other", [ask])

    for _ in range(2):
        await release_calls(database, ["call", "unknown"])

    assert await used_of(database, ask) == (0, 1)


async def test_worker_that_is_no_more_leaves_nothing_reserved_and_others_keep_theirs(database: Database) -> None:
    asks = [make_ask(TOKENS_PER_DAY, most=100, amount=5), make_ask(MAX_CONCURRENT, most=9, amount=1)]
    for call_id, worker in [("a", "dead"), ("b", "dead"), ("c", WORKER)]:
        await reserve(database, worker, call_id, asks)
    await settle(database, "a", asks, tokens=3)  # out of its journal

    for _ in range(2):
        await release_worker(database, "dead")

    uses = await read_uses(database)
    assert {limit: use for (_, limit), use in uses.items()} == {TOKENS_PER_DAY: (3, 5), MAX_CONCURRENT: (0, 1)}


async def test_row_that_comes_after_its_worker_was_released_still_counts_and_releases_nothing(
    database: Database,
) -> None:
    ask = make_ask(TOKENS_PER_DAY, most=100, amount=5)
    await reserve(database, "dead", "late", [ask])
    await reserve(database, WORKER, "call", [ask])
    await release_worker(database, "dead")

    await settle(database, "late", [ask], tokens=4)

    assert await used_of(database, ask) == (4, 5)


async def test_places_of_workers_that_are_silent_are_released_but_not_their_tokens(database: Database) -> None:
    asks = [make_ask(TOKENS_PER_DAY, most=100, amount=5), make_ask(MAX_CONCURRENT, most=9, amount=1)]
    for call_id, worker in [("a", "silent"), ("b", "never-heard-of"), ("c", WORKER)]:
        await reserve(database, worker, call_id, asks)
    await beat(database, "silent", int(NOW * 1000) - LIVE_MS - 1)
    await beat(database, WORKER, int(NOW * 1000) - LIVE_MS + 1000)

    await release_places(database, "token:AAAAAAAA", int(NOW * 1000))

    uses = await read_uses(database)
    assert {limit: use for (_, limit), use in uses.items()} == {TOKENS_PER_DAY: (0, 15), MAX_CONCURRENT: (0, 1)}


async def test_tidying_forgets_old_periods_that_nobody_holds_and_workers_silent_for_a_day(database: Database) -> None:
    asks = [make_ask(limit, most=100, amount=1) for limit in LIMITS]
    for call_id, worker in [("settled", WORKER), ("held", WORKER), ("lost", "gone")]:
        await reserve(database, worker, call_id, asks)
    await settle(database, "settled", asks, tokens=1)
    await beat(database, "gone", int(NOW * 1000))
    later = NOW + 100 * 86_400
    await beat(database, WORKER, int(later * 1000))

    await tidy(database, later)
    held = {limit: use for (_, limit), use in (await read_uses(database)).items()}
    await release_calls(database, ["held"])
    await tidy(database, later)

    assert {limit: reserved for limit, (_, reserved) in held.items()} == dict.fromkeys(LIMITS, 1)
    assert {limit for _, limit in await read_uses(database)} == {MAX_CONCURRENT}


async def test_tidying_keeps_what_is_of_today(database: Database) -> None:
    ask = make_ask(TOKENS_PER_DAY, most=100, amount=5)
    await reserve(database, WORKER, "call", [ask])
    await settle(database, "call", [ask], tokens=4)

    await tidy(database, NOW)

    assert await used_of(database, ask) == (4, 0)


async def test_standings_are_those_of_the_period(database: Database) -> None:
    ask = make_ask(TOKENS_PER_MINUTE, most=100, amount=5)
    await reserve(database, WORKER, "call", [ask])

    (now,) = await read_standings(database, [ask.cap], NOW)
    (later,) = await read_standings(database, [ask.cap], NOW + 60)

    assert (now.used, now.reserved, later.used, later.reserved) == (0, 5, 0, 0)
    other = make_ask(TOKENS_PER_DAY, most=100, amount=5)
    assert await read_all_standings(database, [other.cap, ask.cap], NOW) == [
        *await read_standings(database, [other.cap], NOW),
        now,
    ]


async def test_calls_reserve_together_all_that_they_ask_for_or_nothing(database: Database) -> None:
    tokens, other = make_ask(TOKENS_PER_DAY, 100, 30), make_ask(TOKENS_PER_DAY, 50, 30, "user:ann")

    granted = await reserve_together(database, WORKER, lambda: {"a": [tokens], "b": [other, tokens]})
    refused = await reserve_together(database, WORKER, lambda: {"c": [tokens], "d": [other]})
    none = await reserve_together(database, WORKER, dict)

    assert {call_id: each.granted for call_id, each in granted.items()} == {"a": True, "b": True}
    assert [(each.used, each.reserved) for each in granted["b"].standings] == [(0, 30), (0, 0)]
    assert (refused, none) == ({}, {})
    assert (await used_of(database, tokens), await used_of(database, other)) == ((0, 60), (0, 30))


async def test_no_two_databases_together_reserve_more_than_the_limit(
    database: Database, open_another: Callable[[str], Database]
) -> None:
    other, ask = open_another("relay.db"), make_ask(TOKENS_PER_DAY, most=100, amount=7)

    async def call(number: int) -> bool:
        db = (database, other)[number % 2]
        if not (granted := (await reserve(db, WORKER, f"call-{number}", [ask])).granted):
            return False
        if number % 3:
            await settle(db, f"call-{number}", [ask], tokens=7)
        return granted

    granted = await asyncio.gather(*(call(number) for number in range(40)))

    assert sum(granted) == 14
    used, reserved = await used_of(database, ask)
    assert used + reserved == 98


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "crowd", "settle", "again", "release", "bury", "tidy"]),
        st.integers(0, 2**32),
    ),
    max_size=60,
)
WORKERS = ("worker-a", "worker-b")
SUBJECTS = ("token:AAAAAAAA", "token:BBBBBBBB", "user:ann")
MOST = 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_happens_reserved_is_what_is_held_used_is_what_rows_say_and_no_more_than_the_limit_was_granted(
    database: Database, steps: list[tuple[str, int]]
) -> None:
    async with database.begin() as connection:
        for table in ("limit_uses", "limit_holds", "limit_workers", "request_logs"):
            await connection.execute(text(f"DELETE FROM {table}"))
    held: dict[str, tuple[str, list[Ask]]] = {}
    settled: dict[str, list[Ask]] = {}
    used: dict[tuple[str, str], int] = {}
    for number, (step, seed) in enumerate(steps):
        chance = random.Random(seed)
        call_id, worker = f"call-{number}", chance.choice(WORKERS)
        if step == "reserve":
            caps = chance.sample([(s, name) for s in SUBJECTS for name in LIMITS], chance.randint(1, 4))
            asks = [make_ask(name, MOST, chance.randint(0, MOST), subject) for subject, name in caps]
            if (await reserve(database, worker, call_id, asks)).granted:
                held[call_id] = (worker, asks)
        elif step == "crowd":
            size = chance.randint(1, 3)
            names = chance.sample(LIMITS, 2)
            crowd = {
                f"{call_id}.{each}": [make_ask(name, MOST, chance.randint(0, MOST // 2)) for name in names]
                for each in range(size)
            }
            granted = await reserve_together(database, worker, crowd.copy)
            held |= {each: (worker, crowd[each]) for each in granted}
        elif step == "settle" and held:
            call_id = chance.choice(sorted(held))
            _, settled[call_id] = held.pop(call_id)
            for ask in settled[call_id]:
                # Never more than reserved, so that the sum may never be over the limit.
                key, tokens = (ask.cap.subject, ask.cap.limit), min(one.amount for one in settled[call_id])
                counts = {TOKENS_PER_MINUTE: tokens, TOKENS_PER_DAY: tokens, REQUESTS_PER_MINUTE: min(1, tokens)}
                used[key] = used.get(key, 0) + counts.get(ask.cap.limit, 0)
            await settle(database, call_id, settled[call_id], tokens=tokens, attempts=min(1, tokens))
        elif step == "again" and settled:
            call_id = chance.choice(sorted(settled))
            await settle(database, call_id, settled[call_id], tokens=1)
        elif step == "release" and held:
            call_id = chance.choice(sorted(held))
            del held[call_id]
            await release_calls(database, [call_id])
        elif step == "bury":
            held = {one: it for one, it in held.items() if it[0] != worker}
            await release_worker(database, worker)
        elif step == "tidy":
            for each in WORKERS:
                await beat(database, each, int(NOW * 1000))
            await tidy(database, NOW)

        uses = await read_uses(database)
        assert {key: use for key, (use, _) in uses.items() if use} == {key: use for key, use in used.items() if use}
        assert all(0 <= use + reserved <= MOST and reserved >= 0 for use, reserved in uses.values())
