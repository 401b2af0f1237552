"""Writes what an import brings, of all tables that it is about, in one transaction."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.jsonio import Json
from app.core.smart import SmartModel
from app.store import catalog, prices, smart_models, tokens
from app.store.db import Database
from app.store.prices import ADMIN, apply_in
from app.store.revisions import bump_revision, revision_of
from app.store.settings import write_settings
from app.store.smart_models import StoredSmartModel, write_smart_models
from app.store.spent import count_spent
from app.store.statements import ServerStatements
from app.store.tables import (
    CHANGED_PROVIDERS,
    CUSTOM_PROVIDERS,
    MODELS,
    QUOTA_DAYS,
    QUOTA_LEASES,
    REVISIONS,
    TOKENS,
    USERS,
)
from app.store.times import now_ms

Write = Callable[[AsyncConnection], Awaitable[None]]
"""Writes one part, in the transaction of all."""

# In one order for all imports, so that none waits for one that waits for it.
_SUBJECTS = (catalog.SUBJECT, prices.SUBJECT, smart_models.SUBJECT, tokens.SUBJECT)


async def read_revisions(db: Database) -> dict[str, int]:
    """Of all that an import is about: what is read from now on has changed since where one of them is another."""
    return {subject: await revision_of(db, subject) for subject in _SUBJECTS}


async def write_all(db: Database, writes: Iterable[Write], revisions: Mapping[str, int] | None = None) -> None:
    """All or nothing; every snapshot is told.

    Args:
        revisions: as they were before what is written was made up from what was there.

    Raises:
        ChangedMeanwhile: one of them is another now.
    """
    async with db.begin(patient=True) as connection:
        for subject in _SUBJECTS:
            await bump_revision(connection, subject, None if revisions is None else revisions[subject])
        for write in writes:
            await write(connection)


async def read_switches(db: Database) -> list[str]:
    """The providers that are switched off."""
    rows = await db.transact(lambda statements: statements.rows(catalog.SWITCHED_OFF, {}), writes=False)
    return [str(row[0]) for row in rows]


def of_settings(values: Mapping[str, Json], gone: Sequence[str]) -> Write:
    """Settings by their names."""
    return lambda connection: write_settings(connection, values, gone)


def of_providers(definitions: Mapping[str, Mapping[str, Any]], gone: Sequence[str]) -> Write:
    """Providers that are added, by their keys."""
    return _of_definitions(CUSTOM_PROVIDERS, definitions, gone)


def of_changed_providers(definitions: Mapping[str, Mapping[str, Any]], gone: Sequence[str]) -> Write:
    """What counts in the place of entries of the configuration, by their keys."""
    return _of_definitions(CHANGED_PROVIDERS, definitions, gone)


def _of_definitions(table: Table, definitions: Mapping[str, Mapping[str, Any]], gone: Sequence[str]) -> Write:
    async def write(connection: AsyncConnection) -> None:
        for key in (*gone, *definitions):
            await connection.execute(delete(table).filter_by(key=key))
        rows = [{"key": key, "definition": dict(each), "updated_at": now_ms()} for key, each in definitions.items()]
        if rows:
            await connection.execute(insert(table), rows)

    return write


def of_switches(off: Sequence[str], on: Sequence[str]) -> Write:
    """Providers that are switched off, and on again."""

    def write(statements: ServerStatements) -> None:
        if off:
            statements.many(catalog.SWITCH_OFF, [{"provider": key, "now": now_ms()} for key in off])
        if on:
            statements.many(catalog.SWITCH_ON, [{"provider": key} for key in on])

    return lambda connection: connection.run_sync(lambda sync: write(ServerStatements(sync)))


def of_models(said: Sequence[catalog.StoredModel], gone: Sequence[catalog.StoredModel]) -> Write:
    """What is said of models, and what no longer is."""

    async def write(connection: AsyncConnection) -> None:
        for each in (*gone, *said):
            spelled_so = func.lower(MODELS.c.model) == each.model.lower()
            said_by = {"provider": each.provider, "source": each.source}
            await connection.execute(delete(MODELS).filter_by(**said_by).where(spelled_so))
        if said:
            await connection.execute(insert(MODELS), [catalog.values_of(each) for each in said])

    return write


def of_prices(rates: Mapping[tuple[str, str], Mapping[str, Any]], gone: Sequence[tuple[str, str]]) -> Write:
    """An administrator's prices, by provider and model."""

    async def write(connection: AsyncConnection) -> None:
        number = await connection.scalar(select(REVISIONS.c.number).where(REVISIONS.c.subject == prices.SUBJECT))
        await apply_in(
            connection,
            [prices.StoredPrice(*key, ADMIN, each, f"{ADMIN} {number}") for key, each in rates.items()],
            [prices.StoredPrice(*key, ADMIN, {}, "") for key in gone],
        )

    return write


def of_taken_prices(taken: Sequence[prices.StoredPrice], gone: Sequence[prices.StoredPrice]) -> Write:
    """Prices that were taken over from somebody."""
    return lambda connection: apply_in(connection, taken, gone)


def of_users(limits: Mapping[str, Mapping[str, int | None]], gone: Sequence[str]) -> Write:
    """All limits of users, budgets in pico-USD."""

    async def write(connection: AsyncConnection) -> None:
        for username in (*gone, *limits):
            await connection.execute(delete(USERS).filter_by(username=username))
        for username, columns in limits.items():
            await connection.execute(insert(USERS).values(username=username, **columns))
            await count_spent(connection, "user", username, columns)

    return write


def of_tokens(columns: Mapping[str, Mapping[str, Any]], gone: Sequence[str]) -> Write:
    """Columns of tokens by their ids. One that is new has the digest of no text: nobody can use it until it has been rotated."""

    async def write(connection: AsyncConnection) -> None:
        for token_id in gone:
            for table in (QUOTA_LEASES, QUOTA_DAYS):
                await connection.execute(delete(table).filter_by(token_id=token_id))
            await connection.execute(delete(TOKENS).filter_by(id=token_id))
        for token_id, values in columns.items():
            changed = await connection.execute(update(TOKENS).filter_by(id=token_id).values(**values))
            if not changed.rowcount:
                new = {**values, "digest": secrets.token_bytes(32), "lifetime_requests": 0}
                await connection.execute(insert(TOKENS).values(id=token_id, **new))
            await count_spent(connection, "token", token_id, values)

    return write


def of_names(
    added: Sequence[SmartModel], changed: Mapping[str, SmartModel], deleted: Iterable[StoredSmartModel]
) -> Write:
    """Smart models; those that change by their ids."""
    return lambda connection: write_smart_models(connection, added, changed, deleted)
