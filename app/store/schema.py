"""Brings a database to the schema of this version, once, however many processes start at the same time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Inspector,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.db import Database, DatabaseUnavailable, UnusableDatabase, cause_of
from app.store.migrations import COPYING, HEAD
from app.store.tables import all_tables

MIGRATIONS = Path(__file__).parent / "migrations"
VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""As Alembic makes it."""

_ADVISORY_LOCK = 7_310_041  # any number that nothing else on the server uses
_LOCK_POLL_S = 0.02
_UNFINISHED = "The database holds a copy that is not finished: run the same 'llm-relay db copy' again."
_NEWER = "The database has a schema that this version does not know; it was last used by a newer one."


async def upgrade(db: Database) -> None:
    """Create the tables in an empty database, migrate an older one, leave a current one alone.

    Alembic is imported only to migrate: that takes most of a second, and a start seldom needs it.

    Raises:
        UnusableDatabase: it cannot be opened, is no database of ours, or was written by a newer version.
    """
    async with told(db), alone(db):
        async with db.read() as connection:
            version = await connection.run_sync(read_version)
        if version == HEAD:
            return
        if version == COPYING:
            raise UnusableDatabase(_UNFINISHED)
        async with db.begin(patient=True) as connection:
            await connection.run_sync(create_tables if version is None else migrate)


async def version_of(db: Database) -> str | None:
    """The version of the schema, empty before the first one; None for an empty database. Nothing is changed.

    Raises:
        UnusableDatabase: as `upgrade`.
    """
    async with told(db), db.read() as connection:
        version = await connection.run_sync(read_version)
    if version == COPYING:
        raise UnusableDatabase(_UNFINISHED)
    if version not in (None, "", HEAD) and version not in _known_versions():
        raise UnusableDatabase(_NEWER)
    return version


async def is_current(db: Database) -> bool:
    """Whether the database has the schema of this version already.

    Raises:
        UnusableDatabase: as `upgrade`.
    """
    return await version_of(db) == HEAD


def migrate(connection: Connection, to: str = "head") -> None:
    """Run every migration that the database behind `connection` lacks, up to the revision `to`, within its transaction.

    Raises:
        UnusableDatabase: its version is none that this program knows.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        command.upgrade(config, to)
    except CommandError as exc:
        raise UnusableDatabase(f"{_NEWER} ({exc})") from exc


def read_version(connection: Connection) -> str | None:
    """The version of the schema, empty before the first one; None for an empty database."""
    inspector: Inspector = inspect(connection)
    if inspector.has_table("alembic_version"):
        return connection.execute(select(VERSION.c.version_num)).scalar() or ""
    if tables := inspector.get_table_names():
        raise UnusableDatabase(
            f"The database holds tables ({', '.join(tables[:3])}) but is none of LLM Relay's. "
            "Name another with DATABASE_URL; tokens of a predecessor come over with 'llm-relay tokens import'."
        )
    return None


def create_tables(connection: Connection) -> None:
    """All of them in an empty database, and the newest version."""
    if connection.dialect.name == "postgresql":
        # Said here: where the tables say it, SQLAlchemy imports all that it knows of servers, also for a start without one.
        for index in [index for table in all_tables().sorted_tables for index in table.indexes]:
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]
    all_tables().create_all(connection, checkfirst=False)
    VERSION.create(connection, checkfirst=False)
    connection.execute(VERSION.insert().values(version_num=HEAD))


def _known_versions() -> set[str]:
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}


@asynccontextmanager
async def told(db: Database) -> AsyncIterator[None]:
    """Says which database it is that cannot be used."""
    try:
        yield
    except (DatabaseUnavailable, ProgrammingError) as exc:  # a server's user may lack the right to make tables
        cause = exc.__cause__ if isinstance(exc, DatabaseUnavailable) else exc
        reason = str(cause_of(cause or exc)).rstrip(".")
        raise UnusableDatabase(f"Cannot use the database {db.where}: {reason}.") from exc


@asynccontextmanager
async def alone(db: Database) -> AsyncIterator[None]:
    """While no other process is in here for the same database."""
    if db.path is None:
        async with db.read(patient=True) as connection:
            await _lock_server(connection)
            yield
        return
    import fcntl

    # Not the database file itself: SQLite's own locks are on that one.
    descriptor = os.open(f"{db.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


async def _lock_server(connection: AsyncConnection) -> None:
    # A migration of another process takes what it takes; between two statements of its own it may wait for a third.
    await connection.execute(text("SET LOCAL lock_timeout = 0"))
    await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
