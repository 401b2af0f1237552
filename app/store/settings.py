"""Queries on what administrators set in the place of the environment. It is read with the catalog, whose revision each change bumps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.jsonio import Json
from app.store.db import Database
from app.store.revisions import bump_revision
from app.store.statements import ServerStatements
from app.store.times import now_ms

SUBJECT = "catalog"

# As text: of JSON a driver gives text or what it says, and of a text nobody could tell which.
_ALL = "SELECT name, CAST(value AS TEXT), changed_at FROM settings ORDER BY name"
_PUT = (
    "INSERT INTO settings (name, value, changed_at) VALUES (:name, :value, :now)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at"
)
_DELETE = "DELETE FROM settings WHERE name = :name"


@dataclass(frozen=True, slots=True)
class StoredSetting:
    """A row of `settings`; `changed_at` is in milliseconds since 1970."""

    name: str
    value: Json
    changed_at: int


async def list_settings(db: Database) -> list[StoredSetting]:
    """All of them, by name."""
    async with db.read() as connection:
        return await settings_of(connection)


async def settings_of(connection: AsyncConnection) -> list[StoredSetting]:
    """The same, in a transaction."""
    rows = await connection.run_sync(lambda sync: ServerStatements(sync).rows(_ALL, {}))
    return [StoredSetting(name, json.loads(value), changed_at) for name, value, changed_at in rows]


async def change_settings(db: Database, values: Mapping[str, Json], gone: Sequence[str] = ()) -> None:
    """Set some, and have others be what the environment says; all or nothing."""
    async with db.begin() as connection:
        await bump_revision(connection, SUBJECT)
        await write_settings(connection, values, gone)


async def write_settings(connection: AsyncConnection, values: Mapping[str, Json], gone: Sequence[str] = ()) -> None:
    """The same, in a transaction that has bumped the revision."""
    now = now_ms()
    rows = [{"name": name, "value": json.dumps(value), "now": now} for name, value in values.items()]

    def write(statements: ServerStatements) -> None:
        if rows:
            statements.many(_PUT, rows)
        if gone:
            statements.many(_DELETE, [{"name": name} for name in gone])

    await connection.run_sync(lambda sync: write(ServerStatements(sync)))
