"""Runs plain SQL inside one transaction: for SQLite in a thread, past SQLAlchemy; for a server on SQLAlchemy's connection."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, TextClause, text

BUSY_TIMEOUT_S = 5
PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")

T = TypeVar("T")
Values = Mapping[str, object]


class Statements(Protocol):
    """Runs SQL inside a transaction. A value is written `:name` there."""

    def rows(self, sql: str, values: Values) -> Sequence[Sequence[Any]]:
        """What a statement gives."""

    def many(self, sql: str, values: Sequence[Values]) -> int:
        """Run a statement once for each of `values`; how many rows changed, or -1 where the driver does not know."""

    def each(self, sql: str, values: Sequence[Sequence[object]]) -> int:
        """As `many`, of a statement whose values are written `?`: with many columns it takes half the time."""


class SqliteFile:
    """A connection of its own, in a thread of its own, made when it is first wanted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    async def transact(self, work: Callable[[Statements], T], begin: str, *, synced: bool = False) -> T:
        """Do `work` between `begin` and COMMIT; rolled back when it raises. Where it is `synced`, it is on the disk then."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        transact = self._transact_synced if synced else self._transact
        return await asyncio.get_running_loop().run_in_executor(self._thread, transact, work, begin)

    async def aclose(self) -> None:
        """Close the connection and end the thread, when what is under way is done."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown()

    def _transact_synced(self, work: Callable[[Statements], T], begin: str) -> T:
        connection = self._connection = self._connection or self._connect()
        connection.execute("PRAGMA synchronous = FULL")  # cannot be said within the transaction
        try:
            return self._transact(work, begin)
        finally:
            connection.execute("PRAGMA synchronous = NORMAL")

    def _transact(self, work: Callable[[Statements], T], begin: str) -> T:
        connection = self._connection = self._connection or self._connect()
        connection.execute(begin)
        try:
            result = work(_SqliteStatements(connection))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _SqliteStatements:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Values) -> Sequence[Sequence[Any]]:
        return self._connection.execute(sql, values).fetchall()

    def many(self, sql: str, values: Sequence[Values]) -> int:
        return self._connection.executemany(sql, values).rowcount

    def each(self, sql: str, values: Sequence[Sequence[object]]) -> int:
        return self._connection.executemany(sql, values).rowcount


class ServerStatements:
    """Of a transaction on SQLAlchemy's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Values) -> Sequence[Sequence[Any]]:
        """What a statement gives."""
        result = self._connection.execute(_text(sql), dict(values))
        return result.all() if result.returns_rows else ()

    def many(self, sql: str, values: Sequence[Values]) -> int:
        """Run a statement once for each of `values`."""
        return self._connection.execute(_text(sql), [dict(each) for each in values]).rowcount

    def each(self, sql: str, values: Sequence[Sequence[object]]) -> int:
        """As `many`, of a statement whose values are written `?`."""
        names, named = _named(sql)
        return self._connection.execute(named, [dict(zip(names, each, strict=True)) for each in values]).rowcount


@lru_cache
def _named(sql: str) -> tuple[Sequence[str], TextClause]:
    pieces = sql.split("?")
    names = [f"v{number}" for number in range(len(pieces) - 1)]
    return names, text("".join(f"{piece}:{name}" for piece, name in zip(pieces, names, strict=False)) + pieces[-1])


@lru_cache
def _text(sql: str) -> TextClause:
    return text(sql)
