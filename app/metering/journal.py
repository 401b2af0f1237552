"""Keeps every finished call in a file of its worker until the database has it, so that `kill -9` loses none."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from app.core.record import CallRecord
from app.metering.dead import DeadWorker, adopt
from app.metering.lock import WorkerLock
from app.metering.segment import HEAD, Segment, find, name_of, size_of, worker_of, write_lines

log = logging.getLogger(__name__)

# What is read again, and given to the database once more, where it goes away in the midst of it: some 15,000 records.
SEGMENT_BYTES = 8 << 20
# What a segment remembers of what was appended; more than comes between two batches as a rule.
REMEMBERED_RECORDS = 2000

ASIDE = "aside.jsonl"
"""What no record could be made of, or no row; for the operator."""


class JournalFull(Exception):
    """The disk took no more; the message is the system's."""


class Journal:
    """The segments of one worker, in a folder that it shares with others of its machine.

    The records of a call are one `write` to a file opened for appending: when `append` has returned, they outlive the process,
    though not the machine's power. While the database is away, they are kept here alone and not in memory.

    Attributes:
        worker_id: of this process and this start, unlike any other.
        max_bytes: how much all workers of the folder may keep.
        refusal: why no call may begin now, None where it may: the journal has reached its limit, or the disk takes no more.
    """

    def __init__(self, folder: Path, worker_id: str, *, max_bytes: int = 1 << 30) -> None:
        self.worker_id = worker_id
        self.refusal: str | None = None
        self._folder = folder
        self.max_bytes = max_bytes
        self._lock: WorkerLock | None = None
        self._count = 0
        self._open: Segment | None = None
        self._descriptor = -1
        self._sealed: list[Segment] = []
        self._own_bytes = 0
        self._others_bytes = 0
        self._fault: str | None = None

    @property
    def own_size(self) -> int:
        """Bytes of this worker that the database does not have yet."""
        return self._own_bytes

    @property
    def size(self) -> int:
        """The same of all workers of this folder; of the others, when `look` saw them."""
        return self._own_bytes + self._others_bytes

    def look(self) -> None:
        """See how things are: what others have, whether the disk takes more, and whether calls may begin."""
        try:
            self._own_lock().reserve()
            self._others_bytes = sum(size_of(path) for path in find(self._folder) if worker_of(path) != self.worker_id)
            self._fault = None
        except OSError as exc:
            self._fault = _words(exc)
        self._judge()

    def append(self, *records: CallRecord) -> None:
        """Keep records of which none is of use without the others.

        Raises:
            JournalFull: the disk did not take them.
        """
        lines = write_lines(records)
        try:
            self._write(lines)
        except OSError as exc:
            self._fault = _words(exc)
            self._judge()
            self._write_to_reserve(lines)
        segment = self._open
        if segment is not None and (remembered := segment.records) is not None:
            remembered += records
            if len(remembered) > REMEMBERED_RECORDS:
                segment.records = None
        if self._own_bytes + self._others_bytes >= self.max_bytes:
            self._judge()

    def seal(self) -> None:
        """Let the next record begin another segment."""
        segment, self._open = self._open, None
        if segment is not None:
            self._sealed.append(segment)
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def sealed(self) -> list[Segment]:
        """What is appended to no more, the oldest first."""
        return list(self._sealed)

    def forget(self) -> None:
        """Remember no records: the database is away."""
        for segment in (*self._sealed, self._open):
            if segment is not None:
                segment.records = None

    def drop(self, segment: Segment) -> None:
        """The database has all of it."""
        segment.path.unlink(missing_ok=True)
        self.leave(segment)

    def leave(self, segment: Segment) -> None:
        """Let go of a segment that cannot be read; its file stays."""
        if segment in self._sealed:
            self._sealed.remove(segment)
            self._own_bytes -= segment.size
        self._judge()

    def set_aside(self, line: bytes) -> None:
        """Keep for the operator what cannot go into the database, and tell of it."""
        log.error("a record cannot be written into the database; it is in %s of the journal's folder", ASIDE)
        try:
            with open(self._folder / ASIDE, "ab", opener=_for_this_user) as aside:
                aside.write(line + b"\n")
        except OSError as exc:
            log.error("no, it is not, but here: %s: %s", exc.strerror, line.decode(errors="replace"))

    def adopt(self) -> Iterator[DeadWorker]:
        """The other workers of this folder that are no more."""
        return adopt(self._folder, self.worker_id)

    def close(self) -> None:
        """Let go of everything; what is left is adopted by whoever comes next."""
        self.seal()
        self._sealed.clear()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close(remove=not any(worker_of(path) == self.worker_id for path in find(self._folder)))

    def _write(self, lines: bytes) -> None:
        segment = self._open
        if segment is None or segment.size >= SEGMENT_BYTES:
            segment = self._begin()
        if not segment.has_head:
            lines = HEAD + lines
        written = os.write(self._descriptor, lines)
        segment.has_head = segment.has_head or written >= len(HEAD)
        segment.size += written
        self._own_bytes += written
        if written < len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _write_to_reserve(self, lines: bytes) -> None:
        try:
            if self._lock is not None:
                self._lock.give_up_reserve()
            self._write(lines)
        except OSError as exc:
            raise JournalFull(exc.strerror) from exc

    def _begin(self) -> Segment:
        self.seal()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own_lock()
        path = self._folder / name_of(self.worker_id, self._count + 1)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        # Beside the worker's lock, which somebody may remove by hand.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._count += 1
        self._open = Segment(path, records=[])
        return self._open

    def _own_lock(self) -> WorkerLock:
        if self._lock is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = WorkerLock.make(self._folder, self.worker_id)
        return self._lock

    def _judge(self) -> None:
        before, self.refusal = self.refusal, None
        if self._fault is not None:
            self.refusal = f"the journal's disk takes no more: {self._fault}"
        elif self.size >= self.max_bytes:
            self.refusal = f"the journal has reached its limit of {self.max_bytes} bytes (JOURNAL_MAX_BYTES)"
        if before is None and self.refusal is not None:
            log.error("calls are refused, as their records could not be kept: %s", self.refusal)
        elif before is not None and self.refusal is None:
            log.info("the journal takes records again")


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _for_this_user(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
