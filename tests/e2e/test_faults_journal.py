"""Whatever dies or is full: each call that was answered has its row, none has two, and none begins that could not have one."""

import asyncio
from pathlib import Path

import pytest

from app.metering.lock import RESERVE_BYTES
from tests.e2e.load import (
    CLIENTS,
    DatabaseLock,
    Load,
    before_load,
    counted,
    journal_files,
    kill_a_worker,
    readiness,
    rows_are_the_answered_calls,
    under_load,
)
from tests.small_disk import small_disk

CALLS = 500
WORKERS = 2


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.soak)])
async def test_worker_that_is_killed_in_the_midst_of_calls_loses_no_record(tmp_path: Path, kills: int) -> None:
    with before_load(tmp_path, workers=WORKERS) as (gateway, _):
        load = Load(gateway)
        for number in range(kills):
            async with under_load(load, CALLS):
                await load.until(number * CALLS + CALLS // 2)
                await kill_a_worker(gateway)
        rows = await rows_are_the_answered_calls(load, unseen=kills * CLIENTS)

        assert load.tally.ended == kills * CALLS
        assert load.tally.broken > 0, "nothing was under way when the worker was killed"
        assert counted(load) == sum(row["outcome"] == "ok" for row in rows)
        await asyncio.to_thread(gateway.stop)
    assert journal_files(gateway) == []


async def test_gateway_that_is_killed_has_all_records_after_its_next_start(tmp_path: Path) -> None:
    with before_load(tmp_path) as (gateway, _):
        load = Load(gateway)
        async with under_load(load, CALLS):
            await load.until(CALLS // 2)
            gateway.kill()
        left = journal_files(gateway)

        await asyncio.to_thread(gateway.start)

        await rows_are_the_answered_calls(load, unseen=CLIENTS)
        assert left != []
        assert load.tally.broken > 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [7, pytest.param(30, marks=pytest.mark.soak)])
async def test_calls_go_on_while_the_database_is_locked(tmp_path: Path, seconds: int) -> None:
    with before_load(tmp_path) as (gateway, _):
        load = Load(gateway)
        await load.call(20)
        with DatabaseLock(gateway):
            async with under_load(load, seconds * 20, per_s=20):
                await load.until(20 + seconds * 15)
                meanwhile = await readiness(gateway)

        await rows_are_the_answered_calls(load)
        assert len(load.tally.answered) == 20 + seconds * 20
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
        await rows_are_the_answered_calls(load)
        await load.call(20)

        refused = load.tally.refused
        assert refused == {(503, "journal_full"): 320 - answered}
        assert refused.total() > 0
        assert (full["code"], full["status"]) == (503, "not ready")
        assert "JOURNAL_MAX_BYTES" in full["journal"]
        assert len(load.tally.answered) == answered + 20
        assert len(provider.posts) == answered + 20, "what is refused never reaches a provider"
        await rows_are_the_answered_calls(load)
        assert (await readiness(gateway))["code"] == 200


async def test_full_disk_refuses_new_calls_and_loses_none_under_way(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2 * RESERVE_BYTES) as disk:
        environ = {"RELAY_DATA_DIR": str(disk.folder), "DATABASE_URL": f"sqlite:///{tmp_path / 'data' / 'relay.db'}"}
        with before_load(tmp_path, environ) as (gateway, provider):
            load = Load(gateway)
            await load.call(20)
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
            await rows_are_the_answered_calls(load)
            await asyncio.to_thread(gateway.stop)


async def test_stop_in_the_midst_of_calls_loses_none(tmp_path: Path) -> None:
    with before_load(tmp_path, workers=WORKERS) as (gateway, _):
        load = Load(gateway)
        async with under_load(load, CALLS):
            await load.until(CALLS // 4)
            await asyncio.to_thread(gateway.stop)

        rows = await rows_are_the_answered_calls(load)
    assert {row["outcome"] for row in rows} == {"ok"}
    assert journal_files(gateway) == []


async def test_stop_while_the_database_is_locked_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    with before_load(tmp_path) as (gateway, _):
        load = Load(gateway)
        await load.call(20)
        await rows_are_the_answered_calls(load)
        with DatabaseLock(gateway):
            await load.call(20)
            await asyncio.to_thread(gateway.stop)
            left = journal_files(gateway)

        await asyncio.to_thread(gateway.start)

        await rows_are_the_answered_calls(load)
        assert left != []
        assert "stay in the journal until the next start" in gateway.output()
