"""The SQLite file of the embedded store: opened, put aside where it is damaged, and opened anew where another has taken its place."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

DAMAGED = ".damaged"
"""What the name of a file that was put aside ends in. Only the latest is kept."""

_VERSION = 1
# A file of another form is a cache of nothing that we can read.
_DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

# Numbers are never used twice (AUTOINCREMENT), so that what is known of one in memory stays true, or it is gone.
# Vectors lie apart from answers, close together; the index holds all that a space's memory is filled from.
_SCHEMA = """
CREATE TABLE collections (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    space TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at REAL NOT NULL,
    signs BLOB,
    stored_at REAL NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost TEXT,
    target TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    question TEXT NOT NULL,
    answer BLOB NOT NULL,
    UNIQUE (collection, id)
);
CREATE INDEX entries_of_space ON entries (collection, space, seq, expires_at, signs);
CREATE INDEX entries_by_expiry ON entries (expires_at);
CREATE TABLE vectors (seq INTEGER PRIMARY KEY, expires_at REAL NOT NULL, vector BLOB NOT NULL);
CREATE TRIGGER entries_deleted AFTER DELETE ON entries BEGIN DELETE FROM vectors WHERE seq = OLD.seq; END;
"""


class VectorFile:
    """One connection to the file, of one thread.

    Args:
        busy_s: how long a statement waits for the locks of others.
    """

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def connection(self) -> sqlite3.Connection:
        """To the file that is at the path now; made with its folder where there is none.

        Raises:
            sqlite3.Error, OSError: it cannot be opened.
        """
        if self._connection is None or _inode(self._path) != self._inode:
            self.close()
            self._connection = self._open()
        return self._connection

    def is_damaged_by(self, exc: sqlite3.Error) -> bool:
        """Whether an error says that the file is none, or no longer one."""
        return (getattr(exc, "sqlite_errorcode", 0) & 0xFF) in _DAMAGES

    def put_aside(self, reason: str) -> None:
        """Begin a new file at the next use, unless another process has done so already."""
        self.close()
        with suppress(OSError), self._alone():
            if _inode(self._path) != self._inode:
                return
            logger.error(
                "What semantic caches kept in %s cannot be read (%s); it is put aside with the ending %s, and they begin anew.",
                self._path,
                reason,
                DAMAGED,
            )
            for suffix in ("-wal", "-shm", ""):  # the file last: whoever finds none begins a new one
                with suppress(FileNotFoundError):
                    os.replace(f"{self._path}{suffix}", f"{self._path}{DAMAGED}{suffix}")

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            connection = self._connect()
            try:
                version = _version(connection)
                if version == 0:
                    _make_tables(connection)
            except BaseException:
                connection.close()
                raise
        if version not in (0, _VERSION):
            connection.close()
            self.put_aside(f"it is of version {version}, not {_VERSION}")
            return self._open()
        return connection

    def _connect(self) -> sqlite3.Connection:
        if not self._path.exists():  # for this user only; SQLite makes the other files alike
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        self._inode = _inode(self._path)
        # Closed by the thread of whoever closes the store, when its own has ended.
        connection = sqlite3.connect(self._path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process opens the file or puts it aside."""
        descriptor = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
