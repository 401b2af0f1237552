"""Computes the cost of logged calls anew: stored prices have no dates and count as they are now, bundled ones as at the call's time."""

from collections.abc import AsyncIterator
from typing import Any

from app.core.call import Target
from app.metering.prices import Prices
from app.metering.rows import read_usage_columns
from app.store.costs import FIRST, Changed, change_batch
from app.store.db import Database

# As many as the writer inserts at a time: it and others wait while a batch is under way.
BATCH_ROWS = 500


async def reprice(
    db: Database, prices: Prices, since: int, until: int, *, dry_run: bool = False
) -> AsyncIterator[Changed]:
    """Price the calls of a period anew, a batch at a time; both ends in milliseconds since 1970, the second excluded.

    A call keeps its provider's own figure, and what it cost where no price of it is known now.
    """
    place = FIRST
    while True:
        batch = await change_batch(
            db, (since, until), place, BATCH_ROWS, lambda row: repriced(row, prices), writes=not dry_run
        )
        if batch.last is None:
            return
        place = batch.last
        yield batch


def repriced(row: dict[str, Any], prices: Prices) -> dict[str, Any]:
    """A row of `request_logs` with what it costs now; its costs are in USD."""
    usage = read_usage_columns(row)
    priced = prices.price(Target(row["provider"], row["model"]), usage, row["received_at"] / 1000)
    if priced.cost is None:
        return row
    return row | {"cost": priced.cost, "price_version": priced.version}
