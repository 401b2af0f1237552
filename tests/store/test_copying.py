"""A whole database in another one: of either kind, after an interruption, and never half of it unnoticed."""

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    select,
    text,
    update,
)

from app.store import copying
from app.store.census import count_rows, read_size, sum_up
from app.store.copying import CopyFailed, copy_database
from app.store.db import Database, UnusableDatabase, open_database
from app.store.schema import is_current, migrate, upgrade
from app.store.tables import REQUEST_LOGS, REVISIONS, TOKENS, all_tables
from tests.databases import POSTGRESQL, SQLITE, Databases, Files, ServerDatabases, postgresql_only, sqlite_only

Opener = Callable[[str], Database]
ROWS = 20
BATCH = 7

both_ways = pytest.mark.parametrize("database_kind", [SQLITE, POSTGRESQL], ids=["to-sqlite", "to-postgresql"])
TOKEN = {"id": "AAAAAAAA", "digest": b"d", "username": "ann", "rate_limit": 1, "models": [], "tags": [], "disabled": False,
         "created_at": 1, "lifetime_requests": 0}  # fmt: skip


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


def silent(_table: str, _copied: int, _total: int) -> None:
    """Report to nobody."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "BATCH_ROWS", BATCH)


@pytest.fixture
async def source(
    server_databases: ServerDatabases, database_kind: str, tmp_path: Path, files_template: Path
) -> AsyncIterator[Database]:
    """Of the other kind than the test's databases, with rows in every table."""
    others: Databases = Files(tmp_path, files_template) if database_kind == POSTGRESQL else server_databases
    others.prepare("source.db")
    database = open_database(others.url("source.db"))
    await upgrade(database)
    await fill(database)
    yield database
    await database.aclose()


@pytest.fixture
def target(open_another: Opener) -> Database:
    return open_another("target.db")


async def fill(database: Database) -> None:
    """Rows in every table that there is, of values that could be lost on the way."""
    async with database.begin() as connection:
        for table in all_tables().sorted_tables:
            rows = [{column.name: value_of(column, n) for column in table.columns} for n in range(ROWS)]
            await connection.execute(insert(table), rows)


def value_of(column: Column[Any], n: int) -> object:
    for key in column.foreign_keys:
        return value_of(key.column, n)
    if column.nullable and n % 3 == 0:
        return None
    if isinstance(column.type, Boolean):
        return n % 2 == 0
    if isinstance(column.type, Integer):
        # An index has the sum of six of them.
        return 2**60 - n if isinstance(column.type, BigInteger) else n
    if isinstance(column.type, Float):
        return n / 8
    if isinstance(column.type, JSON):
        return ["a", n, "é\0"]
    if isinstance(column.type, LargeBinary):
        return bytes([0, 255, n])
    length = getattr(column.type, "length", None)
    return f"{n:08}" if length == 8 else f"é{n:03}€\U0001f600"


async def read_all(database: Database) -> dict[str, list[tuple[object, ...]]]:
    async with database.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in await connection.execute(select(table))), key=repr)
            for table in all_tables().sorted_tables
        }


@both_ways
async def test_copy_has_every_row_of_every_table(source: Database, target: Database) -> None:
    told: list[tuple[str, int, int]] = []

    copied = await copy_database(source, target, lambda *progress: told.append(progress))

    assert await read_all(target) == await read_all(source)
    assert await is_current(target)
    assert {one.table: one.rows for one in copied} == {table.name: ROWS for table in all_tables().sorted_tables}
    assert [copied for table, copied, _ in told if table == "tokens"] == [0, 7, 14, 20]
    assert {total for _, _, total in told} == {ROWS}


@both_ways
async def test_copy_that_was_interrupted_goes_on_where_it_was(source: Database, target: Database) -> None:
    def interrupt(table: str, copied: int, _total: int) -> None:
        if (table, copied) == ("request_logs", 14):
            raise Interrupted

    told: list[tuple[str, int, int]] = []
    with pytest.raises(Interrupted):
        await copy_database(source, target, interrupt)

    await copy_database(source, target, lambda *progress: told.append(progress))

    assert [copied for table, copied, _ in told if table == "request_logs"] == [14, 20]
    assert await read_all(target) == await read_all(source)


@both_ways
async def test_no_gateway_starts_on_half_a_copy(source: Database, target: Database) -> None:
    def interrupt(_table: str, copied: int, _total: int) -> None:
        if copied:
            raise Interrupted

    with pytest.raises(Interrupted):
        await copy_database(source, target, interrupt)

    for look in (upgrade, is_current):
        with pytest.raises(UnusableDatabase, match="copy that is not finished"):
            await look(target)


@both_ways
async def test_half_a_copy_of_another_database_is_left_alone(
    source: Database, target: Database, database: Database
) -> None:
    def interrupt(_table: str, copied: int, _total: int) -> None:
        if copied:
            raise Interrupted

    with pytest.raises(Interrupted):
        await copy_database(source, target, interrupt)

    with pytest.raises(UnusableDatabase, match=r"holds a copy of .* that was not finished"):
        await copy_database(database, target, silent)


@both_ways
async def test_target_that_holds_anything_is_refused_and_left_alone(source: Database, database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(TOKENS), [TOKEN])
    before = await read_all(database)

    with pytest.raises(UnusableDatabase, match="is not empty"):
        await copy_database(source, database, silent)

    assert await read_all(database) == before
    assert await is_current(database)


@both_ways
async def test_target_that_has_our_tables_but_no_row_is_taken(source: Database, database: Database) -> None:
    await copy_database(source, database, silent)

    assert await read_all(database) == await read_all(source)


@both_ways
async def test_target_of_something_else_is_refused(source: Database, target: Database) -> None:
    async with target.begin() as connection:
        await connection.execute(text("CREATE TABLE other (id INTEGER)"))

    with pytest.raises(UnusableDatabase, match="none of LLM Relay's"):
        await copy_database(source, target, silent)


async def test_source_of_an_older_schema_is_refused(open_another: Opener, target: Database) -> None:
    older = open_another("older.db")
    async with older.begin() as connection:
        await connection.run_sync(lambda sync: migrate(sync, "0001"))

    with pytest.raises(UnusableDatabase, match="llm-relay db upgrade"):
        await copy_database(older, target, silent)


@both_ways
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (insert(REVISIONS).values(subject="", number=1), f"revisions differs: {ROWS + 1} rows, {ROWS} there"),
        (update(REVISIONS).values(number=1), "revisions differs: sum of number"),
        (update(TOKENS).values(expires_at=None), "tokens differs: values of expires_at"),
    ],
    ids=["row", "sum", "value"],
)
async def test_source_that_changes_meanwhile_is_found_out(
    source: Database, target: Database, monkeypatch: pytest.MonkeyPatch, change: Any, words: str
) -> None:
    copy_table = copying._copy_table

    async def copy_and_change(*arguments: Any) -> None:
        await copy_table(*arguments)
        if arguments[2].name in words:
            async with source.begin() as connection:
                await connection.execute(change)

    monkeypatch.setattr(copying, "_copy_table", copy_and_change)

    with pytest.raises(CopyFailed, match=words):
        await copy_database(source, target, silent)


@sqlite_only
async def test_value_that_only_sqlite_keeps_is_mended_or_told(
    database: Database, server_databases: ServerDatabases
) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(TOKENS), [TOKEN | {"username": "a\0b"}])
    first, second = open_database(server_databases.url("first")), open_database(server_databases.url("second"))
    try:
        await copy_database(database, first, silent)
        async with first.read() as connection:
            assert (await connection.execute(select(TOKENS.c.username))).scalar_one() == "a?b"

        async with database.begin() as connection:
            await connection.execute(TOKENS.update().values(id="longer than eight", username="s3cret"))
        with pytest.raises(CopyFailed, match="a row of tokens: value too long") as error:
            await copy_database(database, second, silent)
        assert "s3cret" not in str(error.value)
    finally:
        await first.aclose()
        await second.aclose()


@postgresql_only
async def test_new_rows_are_numbered_behind_those_that_were_copied(target: Database) -> None:
    table = Table("numbered", MetaData(), Column("id", Integer, primary_key=True), Column("other", Integer))
    async with target.begin() as connection:
        await connection.run_sync(table.create)
        await connection.execute(insert(table), [{"id": 7, "other": 1}])

        await copying._advance_sequence(connection, table)

        new = await connection.execute(insert(table).values(other=2).returning(table.c.id))
        assert new.scalar_one() == 8


async def test_sums_are_exact_however_large(database: Database) -> None:
    numbers = [2**63 - 1, 2**63 - 1, -(2**62), 5]
    async with database.begin() as connection:
        await connection.execute(insert(REVISIONS), [{"subject": str(n), "number": x} for n, x in enumerate(numbers)])
        sums = await sum_up(connection, REVISIONS)

    assert (sums.rows, sums.values["subject"], sums.totals) == (4, 4, {"number": Decimal(sum(numbers))})


async def test_rows_and_size_are_told(database: Database) -> None:
    await fill(database)

    assert await count_rows(database) == {table.name: ROWS for table in all_tables().sorted_tables}
    assert await read_size(database) > 10_000
    assert REQUEST_LOGS.name in await count_rows(database)
