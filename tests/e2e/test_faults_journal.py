"""Whatever dies or is full: each call that was answered has its row and its cost, none has two, and none begins that could not."""

import asyncio
from pathlib import Path

import pytest

from app.auth.ledger import ANSWER_S
from app.core.money import PICO_USD
from app.metering.lock import RESERVE_BYTES
from tests.e2e.books import books_balance, used_up
from tests.e2e.load import (
    CLIENTS,
    COST,
    TOKENS,
    DatabaseLock,
    Load,
    before_load,
    journal_files,
    kill_a_worker,
    readiness,
    under_load,
)
from tests.small_disk import small_disk

CALLS = 500
WORKERS = 2


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kills", "calls_each"), [(3, CALLS // 3), pytest.param(20, CALLS, marks=pytest.mark.soak)])
async def test_worker_that_is_killed_in_the_midst_of_calls_loses_no_record_and_lets_nobody_exceed_a_limit(
    tmp_path: Path, kills: int, calls_each: int
) -> None:
    calls = kills * calls_each + 100
    with before_load(tmp_path, workers=WORKERS) as (gateway, _):
        load = Load(
            gateway,
            tokens_per_day=calls * TOKENS,
            budget_per_day=calls * int(COST * PICO_USD),
            # As many calls as there are clients, and as many again that were under way when a worker was killed: there would
            # be no room if these were not released before the next one is.
            max_concurrent=2 * CLIENTS,
        )
        for number in range(kills):
            async with under_load(load, calls_each):
                await load.until(number * calls_each + calls_each // 2)
                await kill_a_worker(gateway)
        assert load.tally.refused == {}
        assert load.tally.broken > 0, "nothing was under way when the worker was killed"

        await load.use_up()

        books = await books_balance(load, unseen=kills * CLIENTS)
        assert used_up(load, books) >= 0.99
        assert {status for status, _ in load.tally.refused} == {429}
        await asyncio.to_thread(gateway.stop)
    assert journal_files(gateway) == []


async def test_gateway_that_is_killed_has_all_records_after_its_next_start(tmp_path: Path) -> None:
    with before_load(tmp_path) as (gateway, _):
        load, limited = Load(gateway), Load(gateway, tokens_per_day=CALLS * TOKENS, max_concurrent=CLIENTS)
        async with under_load(load, CALLS // 2), under_load(limited, CALLS // 2):
            await limited.until(20)
            await load.until(CALLS // 4)
            with DatabaseLock(gateway):
                await load.until(CALLS // 4 + CLIENTS)
                gateway.kill()
        left = journal_files(gateway)

        await asyncio.to_thread(gateway.start)

        await books_balance(load, unseen=CLIENTS)
        await books_balance(limited, unseen=CLIENTS)
        assert left != []
        assert load.tally.broken > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.soak)])
async def test_calls_go_on_while_the_database_is_locked(tmp_path: Path, seconds: int) -> None:
    with before_load(tmp_path) as (gateway, _):
        load, limited = Load(gateway), Load(gateway, tokens_per_day=1_000_000, max_concurrent=CLIENTS)
        await load.call(20)
        await limited.call(20)
        async with under_load(limited, seconds, per_s=1):
            with DatabaseLock(gateway):
                async with under_load(load, seconds * 20, per_s=20):
                    await load.until(20 + seconds * 15)
                    meanwhile = await readiness(gateway)

        await books_balance(load)
        await books_balance(limited)
        assert len(load.tally.answered) == 20 + seconds * 20
        # Those with limits wait for the database, though not for ever.
        assert limited.tally.refused.keys() <= ({(503, "unavailable")} if seconds > ANSWER_S else set())
        assert len(limited.tally.answered) + limited.tally.refused.total() == 20 + seconds
        assert meanwhile["journal"] == "ok"
        assert meanwhile["journal_bytes"] > 0
        await asyncio.to_thread(gateway.stop)
    assert journal_files(gateway) == []


async def test_journal_at_its_limit_refuses_calls_until_the_database_has_it(tmp_path: Path) -> None:
    with before_load(tmp_path, {"JOURNAL_MAX_BYTES": "65536"}) as (gateway, provider):
        load = Load(gateway)
        await load.call(20)
        with DatabaseLock(gateway):
            await load.call(300)
            full = await readiness(gateway)
        answered = len(load.tally.answered)
        await books_balance(load)
        await load.call(20)

        refused = load.tally.refused
        assert refused == {(503, "journal_full"): 320 - answered}
        assert refused.total() > 0
        assert (full["code"], full["status"]) == (503, "not ready")
        assert "JOURNAL_MAX_BYTES" in full["journal"]
        assert full["journal_bytes"] >= full["journal_limit_bytes"] == 65536
        assert len(load.tally.answered) == answered + 20
        assert len(provider.posts) == answered + 20, "what is refused never reaches a provider"
        await books_balance(load)
        assert (await readiness(gateway))["code"] == 200


async def test_full_disk_refuses_new_calls_and_loses_none_under_way(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2 * RESERVE_BYTES) as disk:
        environ = {"RELAY_DATA_DIR": str(disk.folder), "DATABASE_URL": f"sqlite:///{tmp_path / 'data' / 'relay.db'}"}
        with before_load(tmp_path, environ) as (gateway, provider):
            load = Load(gateway)
            await load.call(20)
            await books_balance(load)  # else the journal gives room back after the disk is full
            disk.fill()
            await load.call(200)
            full = await readiness(gateway)
            answered = len(load.tally.answered)
            disk.empty()
            ready = await readiness(gateway)
            await load.call(20)

            assert load.tally.refused == {(503, "journal_full"): 220 - answered}
            assert answered < 220
            assert (full["code"], full["journal"]) == (
                503,
                "the journal's disk takes no more: No space left on device",
            )
            assert ready["code"] == 200
            assert len(load.tally.answered) == len(provider.posts) == answered + 20
            await books_balance(load)
            await asyncio.to_thread(gateway.stop)


async def test_stop_in_the_midst_of_calls_loses_none(tmp_path: Path) -> None:
    with before_load(tmp_path, workers=WORKERS) as (gateway, _):
        load = Load(gateway, tokens_per_day=CALLS * TOKENS, max_concurrent=CLIENTS)
        async with under_load(load, CALLS // 2):
            await load.until(CALLS // 4)
            await asyncio.to_thread(gateway.stop)

        books = await books_balance(load)
    assert {row["outcome"] for row in books.rows} == {"ok"}
    assert journal_files(gateway) == []


async def test_stop_while_the_database_is_locked_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    with before_load(tmp_path) as (gateway, _):
        load = Load(gateway)
        await load.call(20)
        await books_balance(load)
        with DatabaseLock(gateway):
            await load.call(20)
            await asyncio.to_thread(gateway.stop)
            left = journal_files(gateway)

        await asyncio.to_thread(gateway.start)

        await books_balance(load)
        assert left != []
        assert "stay in the journal until the next start" in gateway.output()
