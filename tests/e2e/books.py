"""Holds all that gateways counted against what their clients saw: rows, costs, sums, units of the day, limits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from sqlalchemy import text

from app.core.limits import BUDGETS, TOKENS
from app.core.money import PICO_USD
from app.store.db import Database, open_database
from app.store.verify import Difference, Verification
from tests.e2e.gateway import Row
from tests.e2e.load import COST, Load
from tests.e2e.load import TOKENS as TOKENS_OF_A_CALL

_WAIT_S = 60.0
_POLL_S = 0.1
_COST = int(COST * PICO_USD)

_ROWS = "SELECT * FROM request_logs WHERE token_id = :id ORDER BY received_at, id"
_SUMS = (
    "SELECT coalesce(sum(d.calls + d.helper_calls), 0) AS calls, coalesce(sum(d.cost), 0) AS cost,"
    " coalesce(sum(d.charged), 0) AS charged, coalesce(sum(d.unpriced), 0) AS unpriced"
    " FROM usage_days d JOIN usage_keys k ON k.id = d.key_id WHERE k.token_id = :id"
)
_COUNTER = "SELECT lifetime_requests FROM tokens WHERE id = :id"
_UNITS = "SELECT coalesce(sum(taken), 0) AS taken FROM quota_days WHERE token_id = :id"
_USES = 'SELECT "limit", sum(used) AS used, sum(reserved) AS reserved FROM limit_uses WHERE subject = :subject GROUP BY "limit"'
_HOLDS = "SELECT count(*) AS holds FROM limit_holds WHERE subject = :subject"


@dataclass(frozen=True)
class Books:
    """What one database says of one token.

    Attributes:
        used: by limit.
        held: how many reservations there are.
    """

    rows: list[Row]
    sums: Row
    counter: int
    units: int
    used: Mapping[str, int]
    reserved: Mapping[str, int]
    held: int


async def books_balance(load: Load, *, unseen: int = 0) -> Books:
    """All that was counted of `load`, waited for and checked.

    Each answered call has one row, with the cost that its client was told; sums and counters are those of the rows; no limit is
    exceeded; nothing is reserved any more.

    Args:
        unseen: how many calls may have a row although their client saw no end: they were answered, and the connection broke on
            the way. Never the other way round.
    """
    answered, told = load.tally.answered, load.tally.told
    async with _opened(load.gateway.database_url) as database:
        books = await _settled(database, load)
        differences = await _differences(database)
    rows = {row["id"]: row for row in books.rows}
    missing = set(answered) - rows.keys()
    assert len(answered) == len(set(answered))
    assert not missing, f"{len(missing)} of {len(answered)} answered calls have no row"
    others = [row for row in books.rows if row["id"] not in set(answered)]
    refused = [row for row in others if row["outcome"] == "error" and not row["attempts"]]
    assert len(others) - len(refused) <= unseen, f"{len(rows)} rows of {len(answered)} answered calls"
    assert len(refused) <= load.tally.refused.total()
    assert {(row["cost"], row["charged"]) for row in refused} <= {(0, 0)}
    assert {rows[each]["cost"] for each in answered} <= {_COST}
    assert {each: rows[each]["cost"] for each in told} == {each: int(cost * PICO_USD) for each, cost in told.items()}
    assert len(answered) - len(told) <= unseen, (
        "who saw the end was told the cost, unless the connection broke behind it"
    )
    assert books.sums == {
        "calls": len(rows),
        "cost": sum(row["cost"] for row in books.rows),
        "charged": sum(row["charged"] for row in books.rows),
        "unpriced": 0,
    }
    assert books.counter == books.sums["charged"] <= books.units <= load.rate_limit
    _limits_are_kept(load, books)
    assert differences == []
    return books


async def differences_in(database_url: str) -> list[Difference]:
    """What `llm-relay db verify` finds."""
    async with _opened(database_url) as database:
        return await _differences(database)


def used_up(load: Load, books: Books) -> float:
    """How much of its tightest limit a token has used, as a share."""
    return max(books.used[limit] / load.limits[limit] for limit in load.limits.keys() & (TOKENS | BUDGETS))


def _limits_are_kept(load: Load, books: Books) -> None:
    expected = dict.fromkeys(load.limits, 0)
    for row in books.rows:
        tokens = sum(count for name, count in row.items() if name.endswith("_tokens"))
        assert row["outcome"] != "ok" or tokens == TOKENS_OF_A_CALL
        for limit in load.limits:
            expected[limit] += tokens if limit in TOKENS else row["cost"] if limit in BUDGETS else 0
    assert books.used == (expected if books.rows else {})
    assert all(used <= load.limits[limit] for limit, used in books.used.items() if limit in TOKENS | BUDGETS)
    assert (books.held, set(books.reserved.values()) - {0}) == (0, set())


async def _settled(database: Database, load: Load) -> Books:
    """When all answered calls have their rows and nothing is reserved; or what there is when the time is over."""
    books = await _read(database, load)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_WAIT_S):
            while books.held or set(load.tally.answered) - {row["id"] for row in books.rows}:
                await asyncio.sleep(_POLL_S)
                books = await _read(database, load)
    return books


async def _read(database: Database, load: Load) -> Books:
    values = {"id": load.token_id, "subject": f"token:{load.token_id}"}

    async with database.read() as connection:
        if database.path is None:  # one moment for all of them, as SQLite has it
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))

        async def select(sql: str) -> list[Row]:
            wanted = {name: value for name, value in values.items() if f":{name}" in sql}
            return [dict(row) for row in (await connection.execute(text(sql), wanted)).mappings()]

        uses = await select(_USES)
        return Books(
            rows=await select(_ROWS),
            sums={name: int(value) for name, value in (await select(_SUMS))[0].items()},
            counter=(await select(_COUNTER))[0]["lifetime_requests"],
            units=int((await select(_UNITS))[0]["taken"]),
            used={row["limit"]: int(row["used"]) for row in uses},
            reserved={row["limit"]: int(row["reserved"]) for row in uses},
            held=(await select(_HOLDS))[0]["holds"],
        )


async def _differences(database: Database) -> list[Difference]:
    verification = Verification(database, retention_days=0, report=lambda _subject, _done, _of: None)
    return [difference async for difference in verification.differences()]


@contextlib.asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    try:
        yield database
    finally:
        await database.aclose()
