"""Sums of calls: each is added once, in its hour and its day, under what it has in common with others."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from app.core.money import to_pico_usd
from app.store.db import Database
from app.store.requests import insert_calls
from app.store.rollups import CLASSES, KEY, MILL, SUMS, by_day, change_costs, key_id, sum_up
from app.store.tables import REQUEST_LOGS, USAGE_DAYS, USAGE_HOURS, USAGE_KEYS, USAGE_TOTALS
from tests.store.test_requests import RECEIVED_AT, make_row

HOUR = 3600
COST = to_pico_usd(Decimal("0.0123"))


async def read(database: Database, table: str) -> list[dict[str, Any]]:
    async with database.read() as connection:
        rows = await connection.execute(
            text(f"SELECT * FROM {table} u JOIN usage_keys k ON k.id = u.key_id ORDER BY {table[6:-1]}, id")
        )
        return [dict(row) for row in rows.mappings()]


async def read_totals(database: Database) -> list[dict[str, Any]]:
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT * FROM usage_totals ORDER BY hour"))
        return [{**row, "cost": row["cost_mills"] * MILL + row["cost"]} for row in rows.mappings()]


async def total(database: Database, column: str) -> list[int]:
    """The sum of a column over the hours, and over the days."""
    return [sum(row[column] for row in await read(database, table)) for table in ("usage_hours", "usage_days")]


def test_keys_and_sums_are_the_columns_of_the_tables() -> None:
    assert {"id", *KEY} == set(USAGE_KEYS.columns.keys())
    assert {"hour", "key_id", *SUMS} == set(USAGE_HOURS.columns.keys())
    assert {"day", "key_id", *SUMS} == set(USAGE_DAYS.columns.keys())
    assert {"hour", "cost_mills", *SUMS} == set(USAGE_TOTALS.columns.keys())
    assert set(CLASSES) <= set(REQUEST_LOGS.columns.keys())


async def test_calls_of_one_key_and_hour_are_one_sum(database: Database) -> None:
    await insert_calls(database, [make_row("a"), make_row("b", status=500, charged=False)])
    await insert_calls(database, [make_row("c", first_byte_ms=None, cost=None, usage_estimated=True, cache_hit=True)])

    (hour,) = await read(database, "usage_hours")
    (day,) = await read(database, "usage_days")
    row = make_row("a")
    assert {name: hour[name] for name in KEY} == {name: row[name] or "" for name in KEY}
    assert {name: hour[name] for name in SUMS} == {
        **{name: 3 * int(str(row[name])) for name in CLASSES},
        "calls": 3,
        "helper_calls": 0,
        "ok": 2,
        "charged": 2,
        "cache_hits": 1,
        "estimated": 1,
        "unpriced": 1,
        "cost": 2 * COST,
        "total_ms": 27,
        "first_byte_ms": 14,
        "first_bytes": 2,
    }
    assert {name: day[name] for name in SUMS} == {name: hour[name] for name in SUMS}
    assert hour["hour"] == int(RECEIVED_AT) // HOUR
    assert day["day"] == int(RECEIVED_AT) // HOUR // 24


@pytest.mark.parametrize(
    ("status", "outcome", "ok"),
    [(200, "cut", 0), (200, "error", 0), (200, "client_gone", 1), (499, "client_gone", 0), (502, "error", 0)],
)
async def test_stream_that_broke_off_is_not_ok_and_one_that_its_client_left_is(
    database: Database, status: int, outcome: str, ok: int
) -> None:
    await insert_calls(database, [make_row("a", status=status, outcome=outcome)])
    # By the way that is taken where some are there already.
    await insert_calls(database, [make_row("a"), make_row("b", status=status, outcome=outcome)])

    assert await total(database, "calls") == [2, 2]
    assert await total(database, "ok") == [2 * ok, 2 * ok]


async def test_part_of_a_stream_that_another_carried_on_is_neither_ok_nor_a_call(database: Database) -> None:
    part = make_row("a.1", parent_id="a", helper="broken", outcome="cut", charged=False)

    await insert_calls(database, [make_row("a"), part])

    (totals,) = await read_totals(database)
    assert (totals["calls"], totals["ok"], totals["helper_calls"]) == (1, 1, 1)


async def test_hours_and_days_begin_in_utc_by_the_time_of_arrival(database: Database) -> None:
    midnight = 20_000 * 24 * HOUR

    await insert_calls(
        database,
        [
            make_row("a", received_at=midnight - 0.001),
            make_row("b", received_at=float(midnight)),
            make_row("c", received_at=midnight + HOUR),
        ],
    )

    assert [(row["hour"], row["calls"]) for row in await read(database, "usage_hours")] == [
        (20_000 * 24 - 1, 1),
        (20_000 * 24, 1),
        (20_000 * 24 + 1, 1),
    ]
    assert [(row["day"], row["calls"]) for row in await read(database, "usage_days")] == [(19_999, 1), (20_000, 2)]


async def test_totals_of_an_hour_are_of_all_calls_whatever_they_have_in_common(database: Database) -> None:
    rows = [make_row("a"), make_row("b", model="small"), make_row("c", received_at=RECEIVED_AT + HOUR, cost=None)]
    await insert_calls(database, rows)
    await insert_calls(database, [make_row("d", username="bob", status=500), make_row("a")])

    first, second = await read_totals(database)

    assert [(row["hour"], row["calls"], row["ok"]) for row in (first, second)] == [
        (int(RECEIVED_AT) // HOUR, 3, 2),
        (int(RECEIVED_AT) // HOUR + 1, 1, 1),
    ]
    assert [(row["cost"], row["unpriced"], row["output_tokens"]) for row in (first, second)] == [
        (3 * COST, 0, 12),
        (0, 1, 4),
    ]


async def test_row_that_comes_again_is_summed_once(database: Database) -> None:
    await insert_calls(database, [make_row("a"), make_row("b")])

    await insert_calls(database, [make_row("b"), make_row("c"), make_row("c")])

    assert await total(database, "calls") == [3, 3]
    assert await total(database, "cost") == [3 * COST, 3 * COST]


async def test_helper_is_no_call_but_its_tokens_and_costs_count_under_its_own_model(database: Database) -> None:
    helper = make_row("b", parent_id="a", helper="designator", model="small", charged=False, total_ms=5, status=500)

    await insert_calls(database, [make_row("a"), helper])

    own, its = sorted(await read(database, "usage_days"), key=lambda row: str(row["model"]))
    assert (own["model"], own["calls"], own["helper_calls"], own["ok"], own["total_ms"]) == ("gpt-5", 1, 0, 1, 9)
    assert (its["model"], its["calls"], its["helper_calls"], its["ok"], its["total_ms"]) == ("small", 0, 1, 0, 0)
    assert (its["first_byte_ms"], its["first_bytes"]) == (0, 0)
    assert its["input_tokens"] == own["input_tokens"] == 1
    assert its["cost"] == own["cost"] == COST


@pytest.mark.parametrize("name", KEY)
async def test_calls_that_differ_in_any_part_of_the_key_are_summed_apart(database: Database, name: str) -> None:
    await insert_calls(database, [make_row("a"), make_row("b", **{name: "another"})])

    assert [row["calls"] for row in await read(database, "usage_days")] == [1, 1]


async def test_value_that_no_database_takes_is_summed_as_it_is_kept(database: Database) -> None:
    await insert_calls(database, [make_row(each, name="\ud800", output_tokens=2**80) for each in "abc"])

    (day,) = await read(database, "usage_days")
    assert (day["name"], day["output_tokens"], day["calls"]) == ("?", 3 * 10**12, 3)


async def test_nothing_is_summed_where_the_rows_are_not_kept(database: Database) -> None:
    broken = make_row("b")
    del broken["client"]

    with pytest.raises(Exception, match="client"):
        await insert_calls(database, [make_row("a"), broken])

    assert await read(database, "usage_hours") == []
    assert await read_totals(database) == []


async def test_changed_costs_go_to_the_sums(database: Database) -> None:
    await insert_calls(
        database, [make_row("a"), make_row("b", cost=None), make_row("c", received_at=RECEIVED_AT + HOUR)]
    )
    rows = await stored(database)
    changes = [(rows["a"], rows["a"]["cost"], 5), (rows["b"], None, 7), (rows["c"], rows["c"]["cost"], None)]

    await database.transact(lambda statements: change_costs(statements, changes))

    assert [(row["cost"], row["unpriced"], row["calls"]) for row in await read(database, "usage_hours")] == [
        (12, 0, 2),
        (0, 1, 1),
    ]
    assert [(row["cost"], row["unpriced"], row["calls"]) for row in await read(database, "usage_days")] == [(12, 1, 3)]
    assert [(row["cost"], row["unpriced"], row["calls"]) for row in await read_totals(database)] == [
        (12, 0, 2),
        (0, 1, 1),
    ]


async def test_totals_of_an_hour_may_be_more_than_a_column_holds(database: Database) -> None:
    rows = [make_row(f"{number}", name=f"n{number}", cost=Decimal(99_999)) for number in range(100)]

    await insert_calls(database, rows)

    assert [row["cost"] for row in await read_totals(database)] == [100 * to_pico_usd(Decimal(99_999))]


def test_sums_of_a_day_are_those_of_its_hours() -> None:
    rows = [make_row(str(hour), received_at=hour * HOUR * 1000, cost=hour) for hour in range(50)]

    keys, hours = sum_up(rows)

    cost, calls = SUMS.index("cost"), SUMS.index("calls")
    (id_,) = keys
    assert {day: (sums[calls], sums[cost]) for (day, _), sums in by_day(hours).items()} == {
        0: (24, sum(range(24))),
        1: (24, sum(range(24, 48))),
        2: (2, 97),
    }
    assert id_ == key_id(keys[id_])
    assert 0 <= id_ < 2**63


async def stored(database: Database) -> dict[str, dict[str, Any]]:
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT * FROM request_logs"))
        return {row["id"]: dict(row) for row in rows.mappings()}
