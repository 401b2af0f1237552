"""The histogram of first bytes: filled with the calls, held against them, and near enough to tell percentiles from."""

from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.metering.first_bytes import read_waits
from app.store.db import Database
from app.store.first_bytes import bucket_of, middle_of
from app.store.requests import insert_calls
from app.store.schema import MIGRATIONS, upgrade
from app.store.selection import Selection
from app.store.times import MS_PER_DAY
from tests.store.test_requests import RECEIVED_AT, make_row
from tests.store.test_verify import verify

DAY = int(RECEIVED_AT * 1000) // MS_PER_DAY
ALL = Selection(DAY - 1, DAY + 1)


@pytest.mark.parametrize("ms", [1, 2, 3, 7, 8, 9, 100, 999, 12_345, 3_600_000])
def test_middle_of_a_bucket_is_near_each_value_in_it(ms: int) -> None:
    assert middle_of(bucket_of(ms)) == pytest.approx(ms, rel=0.05)
    assert bucket_of(ms) <= bucket_of(ms + 1)


async def test_percentiles_are_of_clients_own_calls_that_had_a_first_byte(database: Database) -> None:
    rows = [make_row(f"r{number}", first_byte_ms=number) for number in range(1, 101)]
    await insert_calls(database, rows)
    # Once more, by the way that is taken where some are there already.
    helper = make_row("h", parent_id="r1", helper="search", first_byte_ms=90_000)
    await insert_calls(database, [*rows, helper, make_row("none", first_byte_ms=None)])

    waits = await read_waits(database, ALL)

    assert waits.calls == 100
    assert waits.p50_ms == pytest.approx(50, rel=0.06)
    assert waits.p95_ms == pytest.approx(95, rel=0.06)
    assert await verify(database) == []


async def test_period_without_calls_has_no_percentiles(database: Database) -> None:
    waits = await read_waits(database, ALL)

    assert (waits.calls, waits.p50_ms, waits.p95_ms) == (0, None, None)


async def test_histogram_that_is_not_that_of_the_calls_is_told(database: Database) -> None:
    await insert_calls(database, [make_row("a")])
    async with database.begin() as connection:
        await connection.execute(text("UPDATE usage_first_bytes SET calls = 3"))

    (difference,) = await verify(database)

    assert difference.check == "first bytes of an hour are those of its calls"
    assert (difference.expected, difference.found) == ("calls 1", "calls 3")


async def test_calls_of_before_are_counted_by_the_migration(open_another: Callable[[str], Database]) -> None:
    database = open_another("relay.db")
    await upgrade(database)
    await insert_calls(database, [make_row("a"), make_row("b", first_byte_ms=9000), make_row("c", first_byte_ms=None)])
    async with database.begin() as connection:
        counted = (await connection.execute(text("SELECT * FROM usage_first_bytes ORDER BY 1, 2"))).all()
        await connection.run_sync(_undo_the_dashboard)

    await upgrade(database)

    async with database.read() as connection:
        assert (await connection.execute(text("SELECT * FROM usage_first_bytes ORDER BY 1, 2"))).all() == counted
    assert len(counted) == 2


def _undo_the_dashboard(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.downgrade(config, "0005")
