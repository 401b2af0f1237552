"""The database: how it is opened, and the transactions that everything in it happens in."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.core.audit import Change, pending_change
from app.core.errors import Unavailable
from app.store.audit_entries import append
from app.store.server import describe_server, open_server
from app.store.statements import BUSY_TIMEOUT_S, PRAGMAS, ServerStatements, SqliteFile, Statements

T = TypeVar("T")

# No right to it, no such table, no such column (PostgreSQL, appendix A). SQLite says so by the class of all that passes.
_MENDABLE = frozenset({"42501", "42P01", "42703"})

_UNUSABLE = "cannot be used now"
_AWAY = "cannot be reached"
_LOCKED = "is locked by another process"
_FULL = "has no room left on its disk"
_READ_ONLY = "cannot be written to"
_SQLITE_WORDS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_CANTOPEN: _AWAY,
    sqlite3.SQLITE_IOERR: _AWAY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
}
# Lock not available and deadlock; no connection, or one that a stop ended; too many connections (PostgreSQL, appendix A).
_SERVER_WORDS = {
    "55P03": _LOCKED,
    "40P01": _LOCKED,
    "08": _AWAY,
    "57P": _AWAY,
    "53300": _AWAY,
    "53100": _FULL,
    "25006": _READ_ONLY,
}

ANSWER_S = 10.0
"""For how long a transaction on a server may go on. A server that hangs, or is cut off, says nothing at all."""


class UnusableDatabase(Exception):
    """The database cannot be used at all; the message is for the operator and names it."""


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached now, or is locked for longer than we wait.

    Its message is for clients; as text, for the log, it names the driver's error too.

    Attributes:
        in_doubt: it failed during the commit, so that what was written may be there. Otherwise it is not.
    """

    in_doubt = False

    def __str__(self) -> str:
        cause = self.__cause__
        return self.message if cause is None else f"{self.message} ({type(cause_of(cause)).__name__})"


class Database:
    """An engine and its transactions. Whoever opens it calls `aclose`.

    `begin` and `read` are for what is seldom; `transact` is for what calls wait for, or what happens all the time. Where an
    administrator is `changing` something, the transaction writes that down too, or is rolled back where it changes nothing.

    Attributes:
        where: its URL as it may be shown: without user, password and options.
        path: the file of an SQLite database; None for a server.
    """

    def __init__(self, engine: AsyncEngine, where: str, path: Path | None = None) -> None:
        self.engine = engine
        self.where = where
        self.path = path
        self._writing_engine = engine.execution_options(relay_writes=True)
        # SQLite has one writer at a time; who waits for it within this process does so here, in order, not by polling the file.
        self._turn: AbstractAsyncContextManager[object] = asyncio.Lock() if path else nullcontext()
        self._file = SqliteFile(path) if path else None

    @asynccontextmanager
    async def begin(self, *, patient: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: committed at the end, rolled back when the block raises.

        On SQLite it holds the write lock from its first moment on, so what it reads stays true until it is over.
        On a server it may last `ANSWER_S`, or as long as it takes where it is `patient`.

        Raises:
            DatabaseUnavailable: no connection, or the database is locked.
        """
        committing = False
        try:
            async with self._turn, _translated(), self._limit(patient), self._writing_engine.begin() as connection:
                yield connection
                if (change := pending_change()) is not None:
                    await connection.run_sync(lambda sync: _take(change, ServerStatements(sync)))
                committing = True
        except _NothingChanges:
            pass
        except DatabaseUnavailable as exc:
            exc.in_doubt = committing
            raise

    async def transact(self, work: Callable[[Statements], T], *, writes: bool = True, synced: bool = False) -> T:
        """Do `work` in a transaction, and give what it gives; rolled back when it raises.

        On SQLite all of it happens in one visit to a thread, past SQLAlchemy: a tenth of the CPU time of `begin`, where each
        statement is several visits. A caller that is cancelled does not stop it.

        Args:
            synced: it outlasts a power cut from its end on. On a server each does; on SQLite those of the last moments before
                the power cut can be lost otherwise.

        Raises:
            DatabaseUnavailable: no connection, or the database is locked.
        """
        if self._file is not None:
            if writes and (change := pending_change()) is not None:
                work = _noting(change, work)
            async with self._turn if writes else nullcontext(), _translated():
                try:
                    return await self._file.transact(work, "BEGIN IMMEDIATE" if writes else "BEGIN", synced=synced)
                except _NothingChanges as exc:
                    return exc.result  # type: ignore[no-any-return] # of `work`
        async with self.begin() if writes else self.read() as connection:
            return await connection.run_sync(lambda sync: work(ServerStatements(sync)))

    @asynccontextmanager
    async def read(self, *, patient: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads. It waits for no writer; it may last as long as one of `begin`.

        Raises:
            DatabaseUnavailable: no connection, or the database is locked.
        """
        async with _translated(), self._limit(patient), self.engine.begin() as connection:
            yield connection

    async def ping(self) -> None:
        """Answer that the database can be read.

        Raises:
            DatabaseUnavailable: it cannot.
        """
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def aclose(self) -> None:
        """Close every connection."""
        if self._file is not None:
            await self._file.aclose()
        await self.engine.dispose()

    def _limit(self, patient: bool) -> AbstractAsyncContextManager[object]:
        return nullcontext() if self.path or patient else asyncio.timeout(ANSWER_S)


def open_database(url: str) -> Database:
    """The database at `url`: `sqlite:///PATH`, or `postgresql://…` (also `postgres://…`).

    Nothing is connected yet, but a missing SQLite file is made, with its folder, for this user only.

    Raises:
        UnusableDatabase: the file cannot be made or opened, or the URL is neither of these.
    """
    if url.startswith("sqlite:///"):
        return _open_sqlite(url.removeprefix("sqlite:///"))
    scheme = url.partition(":")[0]
    if scheme not in ("postgresql", "postgres"):
        raise UnusableDatabase(
            f"The database URL begins with {scheme!r}; use sqlite:///PATH or postgresql://USER@HOST/NAME."
        )
    try:
        return Database(open_server(url), describe_server(url))
    except ValueError:
        raise UnusableDatabase(
            "The database URL is none; use postgresql://USER:PASSWORD@HOST:5432/NAME, with / @ : ? # and % in the password"
            " written as %2F %40 %3A %3F %23 and %25."
        ) from None
    except ModuleNotFoundError as exc:
        raise UnusableDatabase(
            f"A PostgreSQL database needs the package {exc.name!r}, which is not installed."
        ) from exc


class _NothingChanges(Exception):
    """Rolls back a transaction in which all would be as it was."""

    def __init__(self, result: Any = None) -> None:
        self.result = result


def _noting(change: Change, work: Callable[[Statements], T]) -> Callable[[Statements], T]:
    def noted(statements: Statements) -> T:
        result = work(statements)
        _take(change, statements, result)
        return result

    return noted


def _take(change: Change, statements: Statements, result: object = None) -> None:
    """Write `change` into the log.

    Raises:
        _NothingChanges: it is none. What somebody else has written since it was looked at stays, as if it had come after it.
    """
    if not change.is_none:
        append(statements, change)
    change.taken = True
    if change.is_none:
        raise _NothingChanges(result)


def _open_sqlite(name: str) -> Database:
    if not name or name.startswith(":memory:"):
        raise UnusableDatabase("An SQLite database needs a file, which all workers share: sqlite:///PATH.")
    path = Path(name).absolute()
    _make_file(path)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # None: the driver opens no transaction of its own; `_begin` does.
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
        hide_parameters=True,  # an error of a driver, and so the log, holds no values
    )
    event.listen(engine.sync_engine, "connect", _configure)
    event.listen(engine.sync_engine, "begin", _begin)
    return Database(engine, f"sqlite:///{path}", path)


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Only ever a new file is opened here: closing any descriptor of a file drops this process's locks on it,
        # also those of SQLite (https://www.sqlite.org/howtocorrupt.html, 2.2).
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except (FileExistsError, NotADirectoryError):
        raise UnusableDatabase(f"Cannot open the database {str(path)!r}: its folder is a file.") from None
    except OSError as exc:
        raise UnusableDatabase(f"Cannot open the database {str(path)!r}: {exc.strerror}.") from exc
    if path.is_dir():
        raise UnusableDatabase(f"Cannot open the database {str(path)!r}: it is a folder.")
    if not os.access(path, os.R_OK | os.W_OK):
        raise UnusableDatabase(f"Cannot open the database {str(path)!r}: this user may not read and write it.")


def _configure(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    try:
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("relay_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a defect of ours, which waiting does not mend
    except DBAPIError as exc:
        if is_defect(exc):
            raise
        raise _unavailable(exc) from exc
    except (PoolTimeout, sqlite3.Error, OSError) as exc:
        raise _unavailable(exc) from exc


def is_defect(exc: DBAPIError) -> bool:
    """Whether the same statement with the same values would fail at any time.

    A table that is not there or a right that we have lost is no such thing: an administrator mends that, and what is to be
    written has to wait for it.
    """
    state: str = getattr(exc.orig, "sqlstate", None) or ""
    if state in _MENDABLE:
        return False
    # Class 22 is a value that no column takes; asyncpg looks at some before it sends them.
    return (
        isinstance(exc, IntegrityError | ProgrammingError)
        or state.startswith("22")
        or isinstance(cause_of(exc), ValueError)
    )


def _unavailable(exc: Exception) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database {_describe(exc)}.")


def _describe(exc: Exception) -> str:
    """What is wrong with the database, in words that do not depend on its kind."""
    cause = cause_of(exc)
    if isinstance(cause, TimeoutError | PoolTimeout):
        return "does not answer"
    if isinstance(cause, sqlite3.Error):
        # The low byte; the others tell more of the same (https://www.sqlite.org/rescode.html).
        return _SQLITE_WORDS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF, _UNUSABLE)
    state: str = getattr(cause, "sqlstate", None) or ""
    for beginning, words in _SERVER_WORDS.items():
        if state.startswith(beginning):
            return words
    is_away = isinstance(cause, OSError) or (isinstance(exc, DBAPIError) and exc.connection_invalidated)
    return _AWAY if is_away else _UNUSABLE


def cause_of(exc: BaseException) -> BaseException:
    """The error of the driver itself that SQLAlchemy's error is about; any other as it is."""
    orig = exc.orig if isinstance(exc, DBAPIError) else None
    return exc if orig is None else orig.__cause__ or orig
