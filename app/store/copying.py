"""Copies a whole database into another, of either kind, in batches; a copy that broke off goes on where it was."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, func, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.census import sum_up
from app.store.db import Database, UnusableDatabase, cause_of, is_defect
from app.store.migrations import COPYING, HEAD
from app.store.schema import VERSION, alone, create_tables, is_current, read_version, told
from app.store.tables import all_tables

BATCH_ROWS = 1000

Row = dict[str, Any]
Report = Callable[[str, int, int], None]
"""Is told a table, how many of its rows are copied, and how many there are."""

# In the target, while the copy goes on: how far it is. A last key stands in the same transaction as its row.
_PROGRESS = Table(
    "copy_progress",
    MetaData(),
    Column("table_name", String(64), primary_key=True),
    Column("source", Text, nullable=False),
    Column("last_key", Text),
    Column("copied", Integer, nullable=False),
)


class CopyFailed(Exception):
    """The copy is not what it was made from; the message says where."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A table that was copied, and compared.

    Attributes:
        sums: how many columns of numbers have the same sum on both sides.
    """

    table: str
    rows: int
    sums: int


async def copy_database(source: Database, target: Database, report: Report) -> list[Copied]:
    """Copy all of our tables, and compare both sides. Nobody may write to the source meanwhile.

    Until it is done, no gateway starts on the target.

    Raises:
        UnusableDatabase: the source has not the schema of this version, the target is neither empty nor what an earlier
            copy of the same source left, or either went away: then the same copy may be begun again, and goes on.
        CopyFailed: the target does not take a row, or rows or sums differ.
    """
    if not await is_current(source):
        raise UnusableDatabase(f"{source.where} has not the schema of this version: run 'llm-relay db upgrade' first.")
    async with told(target), alone(target):
        await _prepare(source, target)
        for table in all_tables().sorted_tables:
            await _copy_table(source, target, table, report)
        copied = [await _compare(source, target, table) for table in all_tables().sorted_tables]
        async with target.begin(patient=True) as connection:
            await _finish(connection)
    return copied


async def _prepare(source: Database, target: Database) -> None:
    async with target.begin(patient=True) as connection:
        version = await connection.run_sync(read_version)
        if version is None:
            await connection.run_sync(create_tables)
        elif version == COPYING:
            of = (await connection.execute(select(_PROGRESS.c.source).limit(1))).scalar()
            if of != source.where:
                raise UnusableDatabase(f"{target.where} holds a copy of {of} that was not finished; use an empty one.")
            return
        elif version != HEAD or await _has_rows(connection):
            raise UnusableDatabase(f"{target.where} is not empty; nothing was copied.")
        await connection.execute(update(VERSION).values(version_num=COPYING))
        await connection.run_sync(_PROGRESS.metadata.create_all, checkfirst=False)
        first = [
            {"table_name": table.name, "source": source.where, "copied": 0} for table in all_tables().sorted_tables
        ]
        await connection.execute(_PROGRESS.insert(), first)


async def _has_rows(connection: AsyncConnection) -> bool:
    for table in all_tables().sorted_tables:
        if (await connection.execute(select(1).select_from(table).limit(1))).first() is not None:
            return True
    return False


async def _copy_table(source: Database, target: Database, table: Table, report: Report) -> None:
    key = list(table.primary_key.columns)
    mine = _PROGRESS.c.table_name == table.name
    async with told(source), source.read(patient=True) as connection:
        total: int = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
    async with target.read() as connection:
        last_key, copied = (
            await connection.execute(select(_PROGRESS.c.last_key, _PROGRESS.c.copied).where(mine))
        ).one()
    last = None if last_key is None else json.loads(last_key)
    report(table.name, copied, total)
    while batch := await _read_batch(source, table, key, last):
        last = [batch[-1][column.name] for column in key]
        copied += len(batch)
        async with target.begin(patient=True) as connection:
            await _insert(connection, table, batch if target.path else [_without_nul(row) for row in batch])
            await connection.execute(update(_PROGRESS).where(mine).values(last_key=json.dumps(last), copied=copied))
        report(table.name, copied, total)


async def _read_batch(
    source: Database, table: Table, key: Sequence[Column[Any]], last: Sequence[Any] | None
) -> list[Row]:
    """The rows behind the key `last`, in the order that the source itself has for its keys."""
    wanted = select(table).order_by(*key).limit(BATCH_ROWS)
    if last is not None:
        wanted = wanted.where(tuple_(*key) > tuple_(*last))
    async with told(source), source.read(patient=True) as connection:
        return [dict(row) for row in (await connection.execute(wanted)).mappings()]


async def _insert(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    try:
        await connection.execute(table.insert(), rows)
    except DBAPIError as exc:
        if not is_defect(exc):
            raise
        raise CopyFailed(f"The target does not take a row of {table.name}: {cause_of(exc)}.") from exc


def _without_nul(row: Row) -> Row:
    """SQLite keeps it in a text, PostgreSQL does not; a client can put one into a model's name."""
    return {name: value.replace("\0", "?") if isinstance(value, str) else value for name, value in row.items()}


async def _compare(source: Database, target: Database, table: Table) -> Copied:
    async with told(source), source.read(patient=True) as connection:
        here = await sum_up(connection, table)
    async with target.read(patient=True) as connection:
        there = await sum_up(connection, table)
    if differences := here.differences(there):
        raise CopyFailed(
            f"The copy of {table.name} differs: {'; '.join(differences)}. Was the gateway running? Stop it, and copy into an"
            " empty database."
        )
    return Copied(table.name, here.rows, len(here.totals))


async def _finish(connection: AsyncConnection) -> None:
    if connection.dialect.name == "postgresql":
        for table in all_tables().sorted_tables:
            await _advance_sequence(connection, table)
    await connection.execute(text("DROP TABLE copy_progress"))
    await connection.execute(update(VERSION).values(version_num=HEAD))


async def _advance_sequence(connection: AsyncConnection, table: Table) -> None:
    """Let PostgreSQL number new rows behind those that came with numbers of their own."""
    if (column := table.autoincrement_column) is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        await connection.execute(select(func.setval(sequence, func.coalesce(func.max(column), 0) + 1, False)))
