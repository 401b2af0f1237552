"""Quota over real processes on one database: exactly the limit, and never more."""

import asyncio
import os
import signal
import time

import pytest

from app.store.db import Database, open_database
from tests.auth import workers
from tests.store import processes

pytestmark = pytest.mark.xdist_group("processes")


@pytest.fixture
async def url(database: Database, database_url: str) -> str:
    await database.aclose()
    return database_url


def read_taken(url: str) -> int:
    async def read() -> int:
        database = open_database(url)
        try:
            rows = await database.transact(lambda statements: statements.rows("SELECT taken FROM quota_days", {}))
            return int(rows[0][0])
        finally:
            await database.aclose()

    return asyncio.run(read())


@pytest.fixture(autouse=True)
def not_over_midnight() -> None:
    """These tests count the calls of one real day."""
    left_s = 86_400 - time.time() % 86_400
    if left_s < 30:
        time.sleep(left_s + 1)


@pytest.mark.parametrize("limit", [20, 1000])
def test_four_processes_together_admit_exactly_the_limit(url: str, limit: int) -> None:
    admitted = processes.run_together(workers.admit_calls, [(url, limit, limit, 25, 0)] * 4)

    assert sum(admitted) == limit
    assert read_taken(url) == limit


def test_units_in_stock_of_processes_that_fall_silent_are_admitted_elsewhere(url: str) -> None:
    arguments = [(url, 1000, attempts, at_once, 0) for attempts, at_once in [(1, 1), (3, 1), (5, 5), (1100, 10)]]

    admitted = processes.run_together(workers.admit_calls, arguments)

    assert sum(admitted) == 1000


def test_units_that_are_given_back_are_admitted_again(url: str) -> None:
    arguments = [(url, 100, 100, 10, given_back) for given_back in (10, 0, 5, 0)]

    admitted = processes.run_together(workers.admit_calls, arguments)

    # A unit that came back after all others had made their last try is free, and not lost.
    assert read_taken(url) == sum(admitted)
    admitted += processes.run_together(workers.admit_calls, [(url, 100, 100, 10, 0)])
    assert sum(admitted) == 100


def test_process_that_is_killed_takes_its_stock_with_it_and_never_more_are_admitted(url: str) -> None:
    holder, pipe = processes.start_process(workers.hold_stock, (url, 1000))
    with pipe:
        os.kill(pipe.recv(), signal.SIGKILL)
    holder.join()

    (admitted,) = processes.run_together(workers.admit_calls, [(url, 1000, 1100, 10, 0)])

    assert 1000 - 15 <= 1 + admitted <= 1000
    assert read_taken(url) == 1000
