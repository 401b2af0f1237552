"""The schema: made, recognised, migrated, once."""

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from app.store import schema
from app.store.db import Database, UnusableDatabase
from app.store.migrations import HEAD
from app.store.rollups import KEY, SUMS, by_day, by_hour, sum_up
from app.store.schema import is_current, migrate, upgrade
from app.store.tables import all_tables
from tests.store import processes

Opener = Callable[[str], Database]


async def read_schema(database: Database) -> dict[str, Any]:
    """The tables that the database itself tells of, with their columns and indexes."""

    # In the database's own words: SQLAlchemy cannot read those of SQLite that are on expressions.
    if database.path is None:
        indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = :table"
    else:
        indexes = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL"

    def look(connection: Connection) -> dict[str, Any]:
        inspector = inspect(connection)
        return {
            table: {
                # By their names: their order differs with the way the table came to be.
                "columns": {
                    column["name"]: {**column, "type": str(column["type"])} for column in inspector.get_columns(table)
                },
                "key": inspector.get_pk_constraint(table)["constrained_columns"],
                "indexes": sorted(connection.execute(text(indexes), {"table": table}).scalars()),
                "unique": sorted(constraint["column_names"] for constraint in inspector.get_unique_constraints(table)),
            }
            for table in inspector.get_table_names()
        }

    async with database.read() as connection:
        return await connection.run_sync(look)


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
async def test_migrations_from_scratch_give_what_the_tables_say(open_another: Opener) -> None:
    created = open_another("created.db")
    migrated = open_another("migrated.db")

    await upgrade(created)
    async with migrated.begin() as connection:
        await connection.run_sync(migrate)
        difference = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), all_tables())
        )

    assert difference == []
    assert await read_schema(migrated) == await read_schema(created)


async def test_every_migration_can_be_undone(open_another: Opener) -> None:
    from alembic import command

    database = open_another("relay.db")
    async with database.begin() as connection:
        await connection.run_sync(migrate)

        def undo(sync: object) -> None:
            config = Config(attributes={"connection": sync})
            config.set_main_option("script_location", str(schema.MIGRATIONS))
            command.downgrade(config, "base")

        await connection.run_sync(undo)

    assert list(await read_schema(database)) == ["alembic_version"]


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
                " total_ms, client) VALUES ('a', 1, 't', 'ann', 'gpt', 'chat', false, 200, 'ok', 1, 0, 0, 1, 0, false, 9, '::1')"
            )
        )

    await upgrade(database)

    async with database.read() as connection:
        rows = await connection.execute(text("SELECT id, attempts, rescued FROM request_logs"))
        assert rows.one() == ("a", 1, 0)
    assert await is_current(database)


async def test_calls_of_before_are_summed_up_as_if_they_came_now(open_another: Opener) -> None:
    database = open_another("relay.db")
    columns = (
        "id, received_at, token_id, username, name, provider, model, surface, streamed, status, outcome, input_tokens,"
        " cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost, first_byte_ms,"
        " total_ms, client"
    )
    rows = [
        ("a", 5, "AAAAAAAA", "ann", "gpt", "openai", "gpt-5", "chat", False, 200, "ok", 1, 2, 3, 4, 5, False, 7_777_777_777, 8, 9, "::1"),
        ("b", 6, "AAAAAAAA", "ann", "gpt", "openai", "gpt-5", "chat", False, 502, "error", 1, 0, 0, 1, 0, True, None, None, 9, "::1"),
        ("c", 4_000_000, "AAAAAAAA", "ann", "gpt", "openai", "gpt-5", "chat", False, 200, "ok", 1, 0, 0, 1, 0, False, 5, 7, 9, "::1"),
        ("e", 4_000_001, "AAAAAAAA", "ann", "gpt", "openai", "gpt-5", "chat", True, 200, "cut", 1, 0, 0, 1, 0, False, 5, 7, 9, "::1"),
        ("f", 4_000_002, "AAAAAAAA", "ann", "gpt", "openai", "gpt-5", "chat", True, 200, "client_gone", 1, 0, 0, 1, 0, False, 5, 7, 9, "::1"),
        ("d", 90_000_000, "gone", "\u00e4nn", "x", None, None, "chat", False, 404, "error", 0, 0, 0, 0, 0, False, None, None, 9, "::1"),
    ]  # fmt: skip
    async with database.begin() as connection:
        await connection.run_sync(lambda sync: migrate(sync, "0002"))
        for row in rows:
            values = ", ".join("NULL" if value is None else repr(value) for value in row)
            await connection.execute(text(f"INSERT INTO request_logs ({columns}) VALUES ({values})"))
        await connection.execute(
            text(
                "INSERT INTO tokens (id, digest, username, rate_limit, models, tags, disabled, created_at, lifetime_requests)"
                " VALUES ('AAAAAAAA', 'd', 'ann', 1, '[]', '[]', false, 1, 40)"
            )
        )

    await upgrade(database)

    async with database.read() as connection:
        logged = [dict(row) for row in (await connection.execute(text("SELECT * FROM request_logs"))).mappings()]
        hours = (await connection.execute(text(f"SELECT hour, key_id, {', '.join(SUMS)} FROM usage_hours"))).all()
        days = (await connection.execute(text(f"SELECT day, key_id, {', '.join(SUMS)} FROM usage_days"))).all()
        of_all = ", ".join("cost_mills * 1000000000 + cost" if name == "cost" else name for name in SUMS)
        totals = (await connection.execute(text(f"SELECT hour, {of_all} FROM usage_totals"))).all()
        names = (await connection.execute(text(f"SELECT id, {', '.join(KEY)} FROM usage_keys"))).all()
        before = (await connection.execute(text("SELECT lifetime_before FROM tokens"))).scalar()
    expected_keys, expected = sum_up(logged)
    assert {row[0]: tuple(row[1:]) for row in names} == expected_keys
    assert {(row[0], row[1]): tuple(row[2:]) for row in hours} == expected
    assert {(row[0], row[1]): tuple(row[2:]) for row in days} == by_day(expected)
    assert {row[0]: tuple(row[1:]) for row in totals} == by_hour(expected)
    assert before == 35


async def test_current_database_is_known_as_such_and_an_empty_one_is_left_empty(
    database: Database, open_another: Opener
) -> None:
    empty = open_another("empty.db")

    assert await is_current(database)
    assert not await is_current(empty)
    assert not await read_schema(empty)


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


async def test_database_of_something_else_is_refused_and_left_alone(open_another: Opener) -> None:
    database = open_another("other.db")
    async with database.begin() as connection:
        await connection.execute(text("CREATE TABLE tokens (token TEXT)"))

    with pytest.raises(UnusableDatabase, match="none of LLM Relay's"):
        await upgrade(database)

    assert list(await read_schema(database)) == ["tokens"]


def test_start_on_a_current_database_imports_neither_alembic_nor_slowapi_nor_typer(database_url: str) -> None:
    program = f"""
import asyncio, sys
from app.auth import address_limit, guard, quota, tokens
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


def test_start_without_a_server_prices_or_smart_models_imports_nothing_for_them() -> None:
    program = """
import sys
import app.main
from app.store.db import open_database
open_database("sqlite:////nowhere/relay.db")
unused = ("asyncpg", "sqlalchemy.dialects.postgresql", "app.metering.rates_form", "genai_prices", "cryptography",
    "numpy", "chromadb", "onnxruntime", "tokenizers", "trafilatura", "lxml", "pypdf", "re2")
print([name for name in sys.modules if name.startswith(unused)])
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.xdist_group("processes")
def test_four_processes_that_start_at_once_make_one_database(database_url: str) -> None:
    first_tokens = processes.run_together(processes.start, [(database_url,)] * 4)

    assert sum(token is not None for token in first_tokens) == 1
    assert multiprocessing.active_children() == []
