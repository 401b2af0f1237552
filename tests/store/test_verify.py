"""What is kept is held against itself: every way in which it can be wrong is told."""

import pytest
from sqlalchemy import text

from app.store.db import Database
from app.store.requests import insert_calls
from app.store.rollups import change_costs
from app.store.statements import Statements
from app.store.tokens import StoredToken, insert_tokens
from app.store.verify import Difference, Verification
from tests.store.test_requests import RECEIVED_AT, make_row

NOW_MS = int(RECEIVED_AT * 1000)
DAY_S = 86_400


@pytest.fixture
async def kept(database: Database) -> Database:
    """Calls of three days, a helper among them, and their token, which came over with 40 calls from elsewhere."""
    token = StoredToken("AAAAAAAA", b"d" * 32, "ann", 5, created_at=1, lifetime_requests=40, lifetime_before=40)
    await insert_tokens(database, [token])
    await insert_calls(
        database,
        [
            make_row("a"),
            make_row("b", received_at=RECEIVED_AT - DAY_S, charged=False),
            make_row("c", received_at=RECEIVED_AT - 2 * DAY_S, provider=None, model=None, cost=None, outcome="cut"),
            make_row("h", parent_id="a", helper="search", charged=False),
        ],
    )
    return database


async def verify(database: Database, retention_days: int = 0) -> list[Difference]:
    verification = Verification(
        database, retention_days=retention_days, report=lambda _subject, _done, _of: None, clock=lambda: NOW_MS
    )
    return [difference async for difference in verification.differences()]


async def run(database: Database, sql: str) -> None:
    async with database.begin() as connection:
        await connection.execute(text(sql))


async def test_nothing_differs_where_nothing_was_touched(kept: Database) -> None:
    assert await verify(kept) == []


async def test_nothing_differs_where_costs_were_changed(kept: Database) -> None:
    async with kept.read() as connection:
        rows = [dict(row) for row in (await connection.execute(text("SELECT * FROM request_logs"))).mappings()]
    changes = [(row, row["cost"], None if row["id"] == "b" else 5) for row in rows]

    def change(statements: Statements) -> None:
        statements.rows("UPDATE request_logs SET cost = CASE WHEN id = 'b' THEN NULL ELSE 5 END", {})
        change_costs(statements, changes)

    await kept.transact(change)

    assert await verify(kept) == []


async def test_nothing_differs_in_an_empty_database(database: Database) -> None:
    assert await verify(database) == []


@pytest.mark.parametrize(
    ("sql", "checks"),
    [
        ("DELETE FROM request_logs WHERE id = 'b'", {"sums of an hour are those of its calls", "sums of a day are those of its calls", "first bytes of an hour are those of its calls"}),
        ("UPDATE request_logs SET output_tokens = 5 WHERE id = 'b'", {"sums of an hour are those of its calls", "sums of a day are those of its calls"}),
        ("UPDATE request_logs SET outcome = 'cut' WHERE id = 'b'", {"sums of an hour are those of its calls", "sums of a day are those of its calls"}),
        ("UPDATE usage_hours SET cost = cost + 1", {"sums of an hour are those of its calls", "totals of an hour are those of its keys"}),
        ("UPDATE usage_totals SET cost = cost + 1", {"totals of an hour are those of its keys"}),
        ("DELETE FROM usage_totals", {"totals of an hour are those of its keys"}),
        ("UPDATE usage_days SET calls = calls + 1", {"sums of a day are those of its calls"}),
        ("DELETE FROM usage_days WHERE charged = 0", {"sums of a day are those of its calls"}),
        ("UPDATE tokens SET lifetime_requests = 43", {"a token's lifetime is the sum of its charged calls"}),
        ("UPDATE request_logs SET parent_id = 'gone' WHERE id = 'h'", {"calls made for others have these"}),
        ("INSERT INTO limit_uses VALUES ('token:x', 'tokens_per_day', 1, -1, 0)", {"nothing is negative"}),
        ("INSERT INTO limit_uses VALUES ('token:x', 'tokens_per_day', 1, 0, 5)", {"what is reserved of a limit is what calls hold"}),
        ("INSERT INTO limit_holds VALUES ('a', 'token:x', 'max_concurrent', 0, 'w', 1)", {"what is reserved of a limit is what calls hold"}),
        ("UPDATE usage_keys SET client = 'other'", {"keys have their digests as ids"}),
        ("DELETE FROM usage_keys", {"sums have their keys", "a token's lifetime is the sum of its charged calls"}),
        ("UPDATE request_logs SET reported_cost = -1 WHERE id = 'b'", {"nothing is negative"}),
    ],
)  # fmt: skip
async def test_each_thing_that_is_wrong_is_told(kept: Database, sql: str, checks: set[str]) -> None:
    await run(kept, sql)

    assert {difference.check for difference in await verify(kept)} == checks


async def test_difference_is_told_exactly(kept: Database) -> None:
    await run(kept, "UPDATE usage_days SET cost = cost + 7, calls = 9 WHERE charged = 0")

    (difference,) = await verify(kept)

    assert difference.where.startswith(
        f"day {NOW_MS // 86_400_000 - 1}, token_id 'AAAAAAAA', username 'ann', tags 'a,b'"
    )
    assert (difference.expected, difference.found) == ("calls 1, cost 12300000000", "calls 9, cost 12300000007")


async def test_days_whose_rows_were_deleted_in_their_time_are_not_held_against_them(kept: Database) -> None:
    await run(kept, "DELETE FROM request_logs WHERE id IN ('b', 'c')")

    assert await verify(kept, retention_days=1) == []
    assert await verify(kept, retention_days=30) != []


async def test_totals_are_held_against_their_keys_also_where_the_rows_are_gone(kept: Database) -> None:
    await run(kept, "DELETE FROM request_logs WHERE id IN ('b', 'c')")
    await run(kept, "UPDATE usage_totals SET calls = calls + 1")

    differences = await verify(kept, retention_days=1)

    hour = NOW_MS // 3_600_000
    assert [(each.where, each.expected, each.found) for each in differences] == [
        (f"hour {hour - 24 * days}", "calls 1", "calls 2") for days in (2, 1, 0)
    ]


async def test_rows_that_are_lost_within_their_time_are_missed(kept: Database) -> None:
    await run(kept, "DELETE FROM request_logs")

    differences = await verify(kept, retention_days=2)

    assert {difference.where.split(",")[0] for difference in differences if "day" in difference.where} == {
        f"day {NOW_MS // 86_400_000}",
        f"day {NOW_MS // 86_400_000 - 1}",
    }
