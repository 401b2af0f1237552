"""Queries on what models cost by the operator and by lists that he took over. Every change tells the snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database
from app.store.revisions import bump_revision, revision_of
from app.store.tables import MODEL_PRICES, REVISIONS
from app.store.times import now_ms

SUBJECT = "prices"
"""What prices are called among the revisions."""

ADMIN = "admin"
LITELLM = "litellm"


@dataclass(frozen=True, slots=True)
class StoredPrice:
    """A row of `model_prices`."""

    provider: str
    model: str
    source: str
    rates: Mapping[str, Any]
    version: str
    updated_at: int = field(default_factory=now_ms)


_FIELDS = tuple(StoredPrice.__dataclass_fields__)
_COLUMNS = [MODEL_PRICES.c[name] for name in _FIELDS]


async def list_prices(db: Database) -> list[StoredPrice]:
    """All of them, by provider, model and source."""
    key = (MODEL_PRICES.c.provider, MODEL_PRICES.c.model, MODEL_PRICES.c.source)
    async with db.read() as connection:
        rows = await connection.execute(select(*_COLUMNS).order_by(*key))
        return [StoredPrice(*row) for row in rows]


async def read_prices_newer_than(db: Database, revision: int) -> tuple[int, list[StoredPrice]] | None:
    """The revision of the prices and all of them; None while the revision is still the one given."""
    now = await revision_of(db, SUBJECT)
    # Rows of a change in between are newer than the number, and read once more.
    return None if now == revision else (now, await list_prices(db))


async def set_price(db: Database, provider: str, model: str, rates: Mapping[str, Any]) -> StoredPrice:
    """Set the operator's own price of a model, in the place of the one before."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        number = await connection.scalar(select(REVISIONS.c.number).where(REVISIONS.c.subject == SUBJECT))
        price = StoredPrice(provider, model, ADMIN, rates, f"{ADMIN} {number}")
        await _replace(connection, [price])
    return price


async def delete_price(db: Database, provider: str, model: str, source: str) -> bool:
    """Remove the price of a model by one source; False where there is none."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        return bool((await connection.execute(delete(MODEL_PRICES).where(_is(provider, model, source)))).rowcount)


async def apply_prices(db: Database, prices: Sequence[StoredPrice], gone: Sequence[StoredPrice]) -> None:
    """Put in `prices`, each in the place of the one before it by the same source, and take out `gone`; all or nothing."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        await apply_in(connection, prices, gone)


async def apply_in(connection: AsyncConnection, prices: Sequence[StoredPrice], gone: Sequence[StoredPrice]) -> None:
    """The same, in a transaction that has bumped the revision."""
    for price in gone:
        await connection.execute(delete(MODEL_PRICES).where(_is(price.provider, price.model, price.source)))
    await _replace(connection, prices)


async def _replace(connection: AsyncConnection, prices: Sequence[StoredPrice]) -> None:
    for price in prices:
        await connection.execute(delete(MODEL_PRICES).where(_is(price.provider, price.model, price.source)))
    if prices:
        rows = [{name: getattr(price, name) for name in _FIELDS} for price in prices]
        await connection.execute(insert(MODEL_PRICES), rows)


def _is(provider: str, model: str, source: str) -> Any:
    """That model, however its name is spelled."""
    return and_(
        MODEL_PRICES.c.provider == provider,
        func.lower(MODEL_PRICES.c.model) == model.lower(),
        MODEL_PRICES.c.source == source,
    )
