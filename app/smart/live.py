"""The smart models of the database, in memory: a snapshot that is swapped when they change."""

import asyncio
import logging

from app.core.book import NO_BOOK, Book, Entry
from app.store.db import Database, DatabaseUnavailable
from app.store.smart_models import read_smart_models_newer_than

log = logging.getLogger(__name__)

POLL_S = 1.0


class LiveBook:
    """`refresh` once before the first call, then `run` beside it.

    Attributes:
        book: as they are now.
    """

    def __init__(self, db: Database) -> None:
        self.book: Book = NO_BOOK
        self._db = db
        self._revision = 0

    async def refresh(self) -> None:
        """Read all of them anew where one has changed.

        Raises:
            DatabaseUnavailable: they stay as they were.
        """
        if (newer := await read_smart_models_newer_than(self._db, self._revision)) is None:
            return
        self._revision, stored = newer
        self.book = Book(Entry(each.id, each.model, each.learned) for each in stored)

    async def run(self) -> None:
        """Refresh once a second, for ever. It outlives a database that does not answer."""
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self.refresh()
            except DatabaseUnavailable as exc:
                log.warning("Smart models could not be read; those known stay in force. %s", exc)
