"""Costs of logged calls change together with the sums over them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.core.record import CallRecord
from app.core.reply import Outcome
from app.core.usage import Usage
from app.metering import reprice as module
from app.metering.bundled import Bundled
from app.metering.prices import Prices, PriceSource
from app.metering.reprice import reprice
from app.metering.rows import insert_records
from app.store import costs as costs_module
from app.store.db import Database
from app.store.prices import set_price
from app.store.statements import Statements

PERIOD = (0, 2_000_000_000_000)
USD = 10**12


async def insert(
    database: Database,
    call_id: str,
    *,
    at: str = "2026-01-01T00:00:00",
    cost: str | None = None,
    reported: str | None = None,
    provider: str | None = "acme",
    cache_hit: bool = False,
    **usage: Any,
) -> None:
    """Log a call on acme/m."""
    record = CallRecord(
        id=call_id,
        received_at=datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp(),
        token_id="Ab3dEf9h",
        username="alice",
        name="m",
        provider=provider,
        model="m" if provider else None,
        surface="chat",
        streamed=False,
        status=200,
        outcome=Outcome.OK,
        usage=Usage(**usage, cost=None if reported is None else Decimal(reported)),
        first_byte_ms=None,
        total_ms=1,
        client="192.0.2.7",
        charged=True,
        cost=None if cost is None else Decimal(cost),
        price_version=None if cost is None else "before",
        cache_hit=cache_hit,
    )
    await insert_records(database, [record])


async def run(database: Database, *, dry_run: bool = False) -> list[Any]:
    prices = Prices(database, {"acme": PriceSource("https://acme")}, load=lambda: Bundled([], "made 1"))
    await prices.load()
    await prices.refresh()
    return [each async for each in reprice(database, prices, *PERIOD, dry_run=dry_run)]


async def sums(database: Database) -> tuple[int, int]:
    """Cost and number of calls without one, over all days; the sums of the rows are the same."""
    of_rows = "SELECT sum(coalesce(cost, 0)), sum(CASE WHEN cost IS NULL THEN 1 ELSE 0 END) FROM request_logs"
    of_days = "SELECT sum(cost), sum(unpriced) FROM usage_days"
    (rows,), (days,) = await database.transact(
        lambda statements: (statements.rows(of_rows, {}), statements.rows(of_days, {})), writes=False
    )
    assert tuple(rows) == tuple(days)
    return int(days[0]), int(days[1])


async def costs(database: Database) -> dict[str, tuple[int | None, str | None]]:
    rows = await database.transact(
        lambda statements: statements.rows("SELECT id, cost, price_version FROM request_logs", {}), writes=False
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def test_rows_and_sums_change_by_the_same(database: Database) -> None:
    await set_price(database, "acme", "m", {"input": "5", "output": 10, "variants": {"batch": {"input": 1}}})
    await insert(database, "dearer", cost="3", input=1_000_000)
    await insert(database, "unknown", input=1_000_000, output=1_000_000)
    await insert(database, "batch", input=1_000_000, tier="batch")
    assert await sums(database) == (3 * USD, 2)

    (batch,) = await run(database)

    assert await costs(database) == {
        "dearer": (5 * USD, "admin 1"),
        "unknown": (15 * USD, "admin 1"),
        "batch": (1 * USD, "admin 1"),
    }
    assert await sums(database) == (21 * USD, 0)
    assert (batch.rows, batch.changed, batch.old, batch.new, batch.unknown) == (3, 3, 3 * USD, 21 * USD, 0)


async def test_what_no_price_decides_stays(database: Database) -> None:
    await set_price(database, "acme", "m", {"input": "5"})
    await insert(database, "reported", cost="7", reported="7", input=1_000_000)
    await insert(database, "hit", cost="0", cache_hit=True, input=1_000_000)
    await insert(database, "nobody", cost="0", provider=None, input=1_000_000)
    await insert(database, "other", cost="2", provider="gone", input=1_000_000)
    await insert(database, "class", cost="2", searches=1)
    before, summed = await costs(database), await sums(database)

    await run(database)

    after = await costs(database)
    assert after.pop("reported") == (7 * USD, "provider")
    assert after.items() <= before.items()
    assert await sums(database) == summed


async def test_dry_run_only_looks(database: Database) -> None:
    await set_price(database, "acme", "m", {"input": "5"})
    await insert(database, "one", cost="3", input=1_000_000)
    before, summed = await costs(database), await sums(database)

    (batch,) = await run(database, dry_run=True)

    assert (batch.changed, batch.new) == (1, 5 * USD)
    assert await costs(database) == before
    assert await sums(database) == summed


async def test_all_batches_are_done_each_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_ROWS", 3)
    await set_price(database, "acme", "m", {"input": "5"})
    for number in range(10):  # all at the same moment
        await insert(database, f"call-{number}", input=1_000_000)

    batches = await run(database)

    assert [each.rows for each in batches] == [3, 3, 3, 1]
    assert await sums(database) == (50 * USD, 0)


async def test_sums_that_fail_leave_the_rows_as_they_were(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await set_price(database, "acme", "m", {"input": "5"})
    await insert(database, "one", cost="3", input=1_000_000)

    def fail(_statements: Statements, _changes: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(costs_module, "change_costs", fail)
    with pytest.raises(RuntimeError):
        await run(database)

    assert await costs(database) == {"one": (3 * USD, "before")}
