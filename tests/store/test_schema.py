"""The schema: made, recognised, migrated, once."""

import contextlib
import multiprocessing
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.store import schema
from app.store.db import Database, UnusableDatabase
from app.store.migrations import HEAD
from app.store.schema import is_current, migrate, upgrade
from app.store.tables import METADATA
from tests.store import processes

Opener = Callable[[str], Database]


def read_schema(path: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_master").fetchall()
    return {name: re.sub(r"\s+", "", sql) for name, sql in rows}


def read_columns(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What SQLite itself says of each table, whatever the order of its columns, which differs with the way it came to be."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(column[1:] for column in connection.execute(f"PRAGMA table_info({table})").fetchall())
            for table in tables
        }


async def test_migrations_from_scratch_give_what_the_tables_say(tmp_path: Path, open_another: Opener) -> None:
    created = open_another("created.db")
    migrated = open_another("migrated.db")

    await upgrade(created)
    async with migrated.begin() as connection:
        await connection.run_sync(migrate)
        difference = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), METADATA)
        )

    assert difference == []
    assert read_columns(tmp_path / "migrated.db") == read_columns(tmp_path / "created.db")


async def test_every_migration_can_be_undone(tmp_path: Path, open_another: Opener) -> None:
    from alembic import command

    database = open_another("relay.db")
    async with database.begin() as connection:
        await connection.run_sync(migrate)

        def undo(sync: object) -> None:
            config = Config(attributes={"connection": sync})
            config.set_main_option("script_location", str(schema.MIGRATIONS))
            command.downgrade(config, "base")

        await connection.run_sync(undo)

    assert [name for name in read_schema(tmp_path / "relay.db") if not name.startswith("sqlite_")] == [
        "alembic_version"
    ]


def test_head_is_the_newest_migration() -> None:
    script = ScriptDirectory(str(schema.MIGRATIONS))

    assert script.get_heads() == [HEAD]


async def test_older_database_is_migrated_and_keeps_its_rows(open_another: Opener) -> None:
    database = open_another("relay.db")
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: migrate(sync, "0001"))
        await connection.execute(
            text(
                "INSERT INTO request_logs (id, received_at, token_id, username, name, surface, streamed, status, outcome,"
                " input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated,"
                " total_ms, client) VALUES ('a', 1, 't', 'ann', 'gpt', 'chat', 0, 200, 'ok', 1, 0, 0, 1, 0, 0, 9, '::1')"
            )
        )

    await upgrade(database)

    async with database.read() as connection:
        rows = await connection.execute(text("SELECT id, attempts, rescued FROM request_logs"))
        assert rows.one() == ("a", 1, 0)
    assert await is_current(database)


async def test_current_database_is_known_as_such_and_an_empty_one_is_left_empty(
    database: Database, tmp_path: Path, open_another: Opener
) -> None:
    empty = open_another("empty.db")

    assert await is_current(database)
    assert not await is_current(empty)
    assert not read_schema(tmp_path / "empty.db")


async def test_database_of_a_newer_version_is_none_of_ours(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))

    with pytest.raises(UnusableDatabase, match="newer"):
        await is_current(database)


async def test_database_of_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))

    with pytest.raises(UnusableDatabase, match="newer"):
        await upgrade(database)


async def test_database_of_something_else_is_refused_and_left_alone(tmp_path: Path, open_another: Opener) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE tokens (token TEXT)")
    database = open_another("other.db")

    with pytest.raises(UnusableDatabase, match="none of LLM Relay's"):
        await upgrade(database)

    assert list(read_schema(tmp_path / "other.db")) == ["tokens"]


def test_start_on_a_current_database_imports_neither_alembic_nor_slowapi_nor_typer(database_url: str) -> None:
    program = f"""
import asyncio, sys
from app.auth import failures, guard, quota, tokens
from app.store.db import open_database
from app.store.schema import upgrade
async def start():
    for _ in range(2):
        database = open_database({database_url!r})
        await upgrade(database)
        await database.ping()
        await database.aclose()
    return "started"
print(asyncio.run(start()), [name for name in ("alembic", "slowapi", "limits", "typer", "rich") if name in sys.modules])
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "started []"


@pytest.mark.xdist_group("processes")
def test_four_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/relay.db"

    first_tokens = processes.run_together(processes.start, [(url,)] * 4)

    assert sum(token is not None for token in first_tokens) == 1
    assert multiprocessing.active_children() == []
