"""Brings call records into the database, in batches, past those that it will never take."""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from app.core.errors import Unavailable
from app.core.record import CallRecord
from app.metering.segment import Segment, describe

log = logging.getLogger(__name__)

BATCH_RECORDS = 500

Insert = Callable[[Sequence[CallRecord]], Awaitable[None]]
"""Leaves a record that is there already as it is. Raises `Unavailable` where the same records may be tried again."""


class Inserter:
    """Inserts records.

    Args:
        set_aside: takes the line of a record that can be no row, and what can be no record.
    """

    def __init__(self, insert: Insert, set_aside: Callable[[bytes], None]) -> None:
        self._insert = insert
        self._set_aside = set_aside

    async def insert_segment(self, segment: Segment) -> bool:
        """Insert all of a segment; False where its file cannot be read.

        Raises:
            Unavailable: the database is away; the same segment may be tried again.
        """
        if segment.records is not None:
            await self.insert(segment.records)
            return True
        try:
            await self.insert(segment.read(self._set_aside))
        except OSError:
            log.exception("%s cannot be read and is left", segment.path)
            return False
        return True

    async def insert(self, records: Iterable[CallRecord]) -> None:
        """Insert records, in batches and in their order; those that were made for a call are in the same batch as it.

        Raises:
            Unavailable: the database is away; the same records may be tried again.
        """
        batch: list[CallRecord] = []
        for record in records:
            if len(batch) >= BATCH_RECORDS and record.parent_id is None:
                await self._insert_batch(batch)
                batch = []
            batch.append(record)
        if batch:
            await self._insert_batch(batch)

    async def _insert_batch(self, batch: Sequence[CallRecord]) -> None:
        """A record that the database will never take must not keep all others waiting: it is set aside."""
        try:
            await self._insert(batch)
        except Unavailable:
            raise
        except Exception:
            if len(batch) > 1:
                for record in batch:
                    await self._insert_batch([record])
            else:
                log.exception("the record of %s is refused by the database", batch[0].id)
                self._set_aside(describe(batch[0]))
