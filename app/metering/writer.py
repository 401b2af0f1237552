"""Takes finished calls off the request path and writes them in batches: to the log, and to the database."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from app.core.errors import Unavailable
from app.core.record import CallRecord

log = logging.getLogger(__name__)

# Long enough to make one transaction of what many calls leave, short enough for an operator who looks.
BATCH_S = 0.2
BATCH_RECORDS = 500
RETRY_S = 1.0
# Some 100 MB. A database that is away for longer than this lasts loses records; the journal will take them.
MAX_WAITING = 200_000

Insert = Callable[[Sequence[CallRecord]], Awaitable[None]]
WriteLines = Callable[[Sequence[CallRecord]], None]


class Writer:
    """The recorder: `record` never waits, `run` writes what has come, `aclose` the rest."""

    def __init__(self, insert: Insert, write_lines: WriteLines) -> None:
        self._insert = insert
        self._write_lines = write_lines
        self._waiting: list[CallRecord] = []
        self._logged = 0
        self._lost = 0
        self._writing = asyncio.Lock()
        self._came = asyncio.Event()

    def record(self, record: CallRecord) -> None:
        """Keep one record for the next batch."""
        if len(self._waiting) >= MAX_WAITING:
            self._lost += 1
            return
        self._waiting.append(record)
        if len(self._waiting) == 1:
            self._came.set()

    async def run(self) -> None:
        """Write batches for as long as the gateway runs."""
        while True:
            await self._came.wait()
            await asyncio.sleep(BATCH_S)
            try:
                await self.flush()
            except Unavailable as exc:
                log.warning("%d call records wait for the database: %s", len(self._waiting), exc)
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write all that waits; what the database did not take stays."""
        async with self._writing:
            self._write_log()
            while self._waiting:
                batch = self._waiting[:BATCH_RECORDS]
                await self._insert_batch(batch)
                del self._waiting[: len(batch)]
                self._logged -= len(batch)
                self._write_log()
            self._came.clear()

    async def aclose(self) -> None:
        """Write the rest. The caller bounds the time; what cannot be written is told."""
        try:
            await self.flush()
        finally:
            if lost := self._lost + len(self._waiting):
                log.error("%d call records were lost: the database did not take them", lost)

    async def _insert_batch(self, batch: Sequence[CallRecord]) -> None:
        """Insert `batch`. A record that the database will never take must not keep all others waiting: it is told and left out.

        Raises:
            Unavailable: the database is away; the same batch may be tried again.
        """
        try:
            await self._insert(batch)
        except Unavailable:
            raise
        except Exception:
            if len(batch) > 1:
                for record in batch:
                    await self._insert_batch([record])
            else:
                log.exception("the record of %s cannot be written and is left out", batch[0].id)

    def _write_log(self) -> None:
        if new := self._waiting[self._logged :]:
            self._logged += len(new)
            self._write_lines(new)
