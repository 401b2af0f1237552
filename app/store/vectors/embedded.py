"""The embedded store of semantic caches: one SQLite file, which all workers of a machine share."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from app.core.cached import CacheEntry, CachePage
from app.core.errors import CacheUnavailable
from app.store.vectors import rows
from app.store.vectors.file import VectorFile
from app.store.vectors.search import Searcher
from app.store.vectors.signs import pack_signs, read_vector

T = TypeVar("T")

FILE_NAME = "vectors.db"

# Reading waits for others only while the file is made or mended; writing, for other writers.
_READ_BUSY_S = 0.2
_WRITE_BUSY_S = 5.0
# Writes come after the reply; more than these means that the file does not keep up, and is only a cache.
_MOST_WAITING = 256

_HIGHEST, _MOST_DIGITS = 2**63 - 1, 19

_LOCKED = "is locked by another process"
_FULL = "has no room left on its disk"
_READ_ONLY = "cannot be written to"
_UNREADABLE = "cannot be read"
_DAMAGED = "was damaged, and begins anew"
_WORDS = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _UNREADABLE,
    sqlite3.SQLITE_IOERR: _UNREADABLE,
}


class EmbeddedCacheStore:
    """A `CacheStore` in the file at `path`. Whoever makes it calls `aclose`.

    Nothing is opened and no thread runs before the first use. One thread reads and searches, another writes, and a third
    one lists, so that a look-up never waits for a writer or a person; the event loop does neither.

    Args:
        memory_bytes: what the signs of the spaces that were searched lately may take.
        clock: seconds since the epoch.
    """

    def __init__(self, path: Path, *, memory_bytes: int = 64 << 20, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._searcher = Searcher(memory_bytes)
        self._reading = _Desk(path, "cache-reads", _READ_BUSY_S)
        self._writing = _Desk(path, "cache-writes", _WRITE_BUSY_S)
        self._looking = _Desk(path, "cache-looks", _WRITE_BUSY_S)

    async def warm(self) -> None:
        """Open the file and import what searching needs."""

        def work(_: sqlite3.Connection) -> None:
            import numpy as np  # noqa: F401 - so that it is there

        await self._reading.do(work)

    async def get(self, collection: str, id: str) -> CacheEntry | None:  # noqa: A002 - the word of CacheEntry
        """The entry of exactly that id."""
        return await self._reading.do(lambda connection: rows.find_entry(connection, collection, id, self._clock()))

    async def nearest(
        self, collection: str, space: str, vector: bytes, most: int = 8
    ) -> Sequence[tuple[CacheEntry, float]]:
        """The entries of a space that are most like `vector`, each with its cosine, best first."""
        return await self._reading.do(
            lambda connection: self._searcher.nearest(connection, collection, space, vector, most, self._clock())
        )

    async def put(self, collection: str, entry: CacheEntry) -> None:
        """Keep an entry, in place of the one that has its id."""

        def work(connection: sqlite3.Connection) -> None:
            signs = None if entry.vector is None else pack_signs(read_vector(entry.vector))
            with _transaction(connection):
                rows.insert(connection, collection, entry, signs)

        await self._writing.do(work)

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Keep these no longer."""
        await self._write(lambda connection: rows.delete(connection, collection, ids))

    async def clear(self, collection: str) -> None:
        """Keep none of its entries. They cannot be found from now on; their room is free when it returns."""
        await self._write(lambda connection: rows.forget_collection(connection, collection, anew=True))
        await self._delete_all(rows.delete_forgotten)

    async def drop(self, collection: str) -> None:
        """Forget the collection itself."""
        await self._write(lambda connection: rows.forget_collection(connection, collection, anew=False))
        await self._delete_all(rows.delete_forgotten)

    async def count(self, collection: str) -> int:
        """How many entries it has."""
        return await self._reading.do(lambda connection: rows.count(connection, collection, self._clock()))

    async def page(
        self, collection: str, *, text: str = "", after: str | None = None, most: int = 50, vectors: bool = False
    ) -> CachePage:
        """Entries to be looked at, the newest first. It may go through all of them, in a thread where no look-up waits."""
        before = int(after) if after and after.isdecimal() and len(after) < _MOST_DIGITS else _HIGHEST
        entries, last = await self._looking.do(
            lambda connection: rows.page(connection, collection, text, before, most, self._clock(), vectors=vectors)
        )
        return CachePage(entries, None if last is None else str(last))

    async def collections(self) -> Sequence[str]:
        """All of them, sorted."""
        return await self._reading.do(rows.list_collections)

    async def sweep(self, now: float) -> int:
        """Remove what has expired at a moment, and what a `clear` left that was broken off; how many had expired."""
        await self._delete_all(rows.delete_forgotten)
        return await self._delete_all(lambda connection: rows.delete_expired(connection, now))

    async def aclose(self) -> None:
        """Close the file and end the threads, when what is under way is done."""
        await self._looking.aclose()
        await self._reading.aclose()
        await self._writing.aclose()

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def in_transaction(connection: sqlite3.Connection) -> T:
            with _transaction(connection):
                return work(connection)

        return await self._writing.do(in_transaction)

    async def _delete_all(self, delete_some: Callable[[sqlite3.Connection], int]) -> int:
        """Slice by slice, so that others can write in between; how many in all."""
        total = 0
        while deleted := await self._write(delete_some):
            total += deleted
        return total


class _Desk:
    """One thread with its own connection, which does one thing after the other."""

    def __init__(self, path: Path, name: str, busy_s: float) -> None:
        self._name = name
        self._file = VectorFile(path, busy_s)
        self._thread: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives; what has not begun when the caller is cancelled is not done.

        Raises:
            CacheUnavailable: the file cannot be used now, or too much is waiting for it.
        """
        if self._waiting >= _MOST_WAITING:
            raise CacheUnavailable("The file of the semantic caches does not keep up.")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)
        self._waiting += 1
        future: Future[T] = self._thread.submit(self._run, work)
        try:
            return await asyncio.wrap_future(future)
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.shutdown)
        self._file.close()

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._file.connection())
        except sqlite3.ProgrammingError:
            raise  # a defect of ours
        except sqlite3.Error as exc:
            if self._file.is_damaged_by(exc):
                self._file.put_aside(str(exc))
                raise CacheUnavailable(f"The file of the semantic caches {_DAMAGED}.") from exc
            words = _WORDS.get(getattr(exc, "sqlite_errorcode", 0) & 0xFF, _UNREADABLE)
            raise CacheUnavailable(f"The file of the semantic caches {words}.") from exc
        except OSError as exc:
            raise CacheUnavailable(f"The file of the semantic caches cannot be opened: {exc.strerror}.") from exc


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Holds the write lock from its beginning; committed at the end, rolled back when the block raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
