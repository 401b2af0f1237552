"""Takes finished calls off the request path and writes them in batches: to the log, and to the database."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence

from app.core.errors import Unavailable
from app.core.record import CallRecord
from app.metering.dead import DeadWorker
from app.metering.inserter import Insert, Inserter
from app.metering.journal import Journal, JournalFull
from app.metering.segment import Segment, describe

log = logging.getLogger(__name__)

# Long enough to make one transaction of what many calls leave, short enough for an operator who looks.
BATCH_S = 0.2
RETRY_S = 1.0
# How soon calls may begin again when the disk has room again, or other workers have emptied their part of the journal.
LOOK_S = 1.0
# Workers that end without a word are mostly followed by one that looks at its start; this is for those that are not.
ADOPT_S = 60.0
READOPT_S = 5.0
# More than come between two batches as a rule; what is beyond is logged at once.
UNLOGGED_RECORDS = 2000
HELD_RECORDS = 500
"""What of those that the journal did not take is inserted at once."""

WriteLines = Callable[[Sequence[CallRecord]], None]
OnDeadWorker = Callable[[str], Awaitable[None]]


class Writer:
    """The recorder: `record` never waits, `run` writes what has come, `run_adoption` what dead workers left, `aclose` the rest.

    What came since the last batch is in the journal's open segment, which also remembers it. A batch is that segment, sealed;
    it is dropped when the database has it. While the database is away, it is read from the segments again.

    Args:
        insert: into the database.
        write_lines: to the log.
        on_dead_worker: called with the id of a worker that ended without a word, when all that it left is in the database.
            It may be called more than once for the same worker.
    """

    def __init__(
        self,
        insert: Insert,
        write_lines: WriteLines,
        journal: Journal,
        on_dead_worker: OnDeadWorker | None = None,
        keeps_clients: Callable[[], bool] = lambda: True,
    ) -> None:
        self._inserter = Inserter(insert, journal.set_aside)
        self._write_lines = write_lines
        self._journal = journal
        self._on_dead_worker = on_dead_worker
        self._keeps_clients = keeps_clients
        self._unlogged: list[CallRecord] = []
        self._held: list[CallRecord] = []  # that the journal did not take
        self._writing = asyncio.Lock()
        self._came = asyncio.Event()
        self._is_urgent = asyncio.Event()

    @property
    def backlog_bytes(self) -> int:
        """What is in the journal and not in the database, of all workers of its folder: each of them tells the same."""
        return self._journal.size

    @property
    def limit_bytes(self) -> int:
        """How much may be there."""
        return self._journal.max_bytes

    @property
    def refusal(self) -> str | None:
        """Why calls are refused; None where they are not."""
        return self._journal.refusal

    def check(self) -> None:
        """Pass where a call may begin.

        Raises:
            Unavailable: its record could not be kept.
        """
        if self._journal.refusal is not None:
            raise Unavailable(
                f"The gateway takes no calls now, since it could not record them: {self._journal.refusal}.",
                code="journal_full",
                headers=(("retry-after", "5"),),
            )

    def look(self) -> None:
        """See anew whether calls may begin, and bring what the journal did not take into it, where it takes it now."""
        self._journal.look()
        if self._held and not self._writing.locked():
            held, self._held = self._held, []
            for record in held:
                self._keep([record])

    def record(self, *records: CallRecord) -> None:
        """Keep the records of one call for the next batch."""
        if not self._keeps_clients():
            records = tuple(each._replace(client="") for each in records)
        self._keep(records)
        self._unlogged += records
        if len(self._unlogged) >= UNLOGGED_RECORDS:
            self._write_log()
        if not self._came.is_set():
            self._came.set()
        if records[0].holds:
            self._is_urgent.set()  # until it is written, other calls find no room

    async def run(self) -> None:
        """Write batches for as long as the gateway runs."""
        while True:
            self.look()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._came.wait()
            except TimeoutError:
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BATCH_S):
                    await self._is_urgent.wait()
            self._is_urgent.clear()
            try:
                await self.flush()
            except Unavailable as exc:
                log.warning("%d bytes of call records wait for the database: %s", self._journal.own_size, exc)
                await asyncio.sleep(RETRY_S)

    async def run_adoption(self) -> None:
        """Write what dead workers left, for as long as the gateway runs."""
        while True:
            are_done = [await self._bury(dead) for dead in self._journal.adopt()]
            await asyncio.sleep(ADOPT_S if all(are_done) else READOPT_S)

    async def flush(self) -> None:
        """Write all that has come up to now.

        Raises:
            Unavailable: the database is away; what it did not take stays in the journal.
        """
        async with self._writing:
            self._came.clear()
            self._write_log()
            try:
                await self._insert_held()
                await self._insert_sealed()
                self._journal.seal()
                await self._insert_sealed()
            except Unavailable:
                self._journal.forget()
                self._came.set()
                raise

    async def aclose(self) -> None:
        """Write the rest. The caller bounds the time; what could not be written stays in the journal for the next start."""
        try:
            await self.flush()
        finally:
            if self._held:
                self.look()
            self._write_log()
            if backlog := self._journal.own_size:
                log.error("%d bytes of call records stay in the journal until the next start", backlog)
            for record in self._held:
                log.error("neither the disk nor the database took this call record: %s", describe(record).decode())
            self._journal.close()

    def _keep(self, records: Sequence[CallRecord]) -> None:
        try:
            self._journal.append(*records)
        except JournalFull:
            self._held += records

    def _write_log(self) -> None:
        records, self._unlogged = self._unlogged, []
        if records:
            self._write_lines(records)

    async def _insert_held(self) -> None:
        while held := self._held[:HELD_RECORDS]:
            await self._inserter.insert(held)
            del self._held[: len(held)]

    async def _insert_sealed(self) -> None:
        for segment in self._journal.sealed:
            if await self._inserter.insert_segment(segment):
                self._journal.drop(segment)
            else:
                self._journal.leave(segment)

    async def _bury(self, dead: DeadWorker) -> bool:
        is_done = False
        try:
            read = [await self._adopt(segment) for segment in dead.segments]
            if all(read) and self._on_dead_worker is not None:
                await self._on_dead_worker(dead.worker_id)
            is_done = all(read)
        except Unavailable as exc:
            log.warning("what the worker %s left waits for the database: %s", dead.worker_id, exc)
        except Exception:
            log.exception("what the worker %s left is tried again", dead.worker_id)
        finally:
            dead.close(remove=is_done)
        return is_done

    async def _adopt(self, segment: Segment) -> bool:
        if not await self._inserter.insert_segment(segment):
            return False
        self._journal.drop(segment)
        log.info("%s, left by a worker that is no more, is in the database", segment.path.name)
        return True
