"""What a database holds, in numbers: its version, its size, and for each table rows, values and sums."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, Integer, Table, case, func, inspect, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Numeric

from app.store.db import Database
from app.store.tables import all_tables

_HALF = 1 << 32


@dataclass(frozen=True, slots=True)
class Sums:
    """A table in numbers.

    Attributes:
        values: of each column, how many are not null.
        totals: of each column of numbers, their sum. Truth counts as 1.
    """

    rows: int
    values: Mapping[str, int]
    totals: Mapping[str, Decimal]

    def differences(self, other: "Sums") -> list[str]:
        """What is not equal in `other`, in words; empty where all is."""
        found = [] if self.rows == other.rows else [f"{self.rows} rows, {other.rows} there"]
        for kind, here, there in (("values", self.values, other.values), ("sum", self.totals, other.totals)):
            found += [
                f"{kind} of {name} {here[name]}, {there[name]} there" for name in here if here[name] != there[name]
            ]
        return found


async def sum_up(connection: AsyncConnection, table: Table) -> Sums:
    """Go through all rows of `table`."""
    columns = list(table.columns)
    parts = [part for column in columns for part in _parts(column)]
    row = (await connection.execute(select(func.count(), *parts).select_from(table))).one()
    numbers = iter(row)
    rows = next(numbers)
    values: dict[str, int] = {}
    totals: dict[str, Decimal] = {}
    for column in columns:
        values[column.name] = next(numbers)
        if len(own := _parts(column)) > 1:
            totals[column.name] = _total([next(numbers) for _ in own[1:]])
    return Sums(rows, values, totals)


async def count_rows(db: Database) -> dict[str, int]:
    """How many rows each of our tables has, as far as it is there."""
    async with db.read(patient=True) as connection:
        there = set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in all_tables().sorted_tables
            if table.name in there
        }


async def read_server_version(db: Database) -> str:
    """Of the program that keeps it, such as `PostgreSQL 16.4` or `SQLite 3.45.1`."""
    name, statement = ("SQLite", "SELECT sqlite_version()") if db.path else ("PostgreSQL", "SHOW server_version")
    async with db.read() as connection:
        version = str((await connection.execute(text(statement))).scalar_one())
    return f"{name} {version.split()[0]}"


async def read_size(db: Database) -> int:
    """Bytes on disk: of the file and of what is beside it, or of the database on its server."""
    if db.path is not None:
        beside = [db.path, db.path.with_name(f"{db.path.name}-wal")]
        return sum(path.stat().st_size for path in beside if path.exists())
    async with db.read() as connection:
        size = await connection.execute(text("SELECT pg_database_size(current_database())"))
        return int(size.scalar_one())


def _parts(column: Any) -> list[ColumnElement[Any]]:
    """What is asked of a column: how many values, and of numbers their sum, in halves that overflow nowhere."""
    if isinstance(column.type, Boolean):
        return [func.count(column), func.sum(case((column, 1), else_=0))]
    if isinstance(column.type, Integer):
        half = literal(_HALF, BigInteger)
        return [func.count(column), func.sum(column // half), func.sum(column % half)]
    if isinstance(column.type, Numeric):
        return [func.count(column), func.sum(column)]
    return [func.count(column)]


def _total(sums: list[Any]) -> Decimal:
    if len(sums) == 2:
        return Decimal(int(sums[0] or 0) * _HALF + int(sums[1] or 0))
    # Of floats to as many digits as do not depend on the order.
    return Decimal(f"{sums[0] or 0:.9g}") if isinstance(sums[0], float) else Decimal(sums[0] or 0)
