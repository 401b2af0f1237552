"""Workers that ended without a word, and what they left in the journal's folder."""

import fcntl
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.metering.lock import SUFFIX, WorkerLock
from app.metering.segment import Segment, find, size_of, worker_of

log = logging.getLogger(__name__)


@dataclass
class DeadWorker:
    """One of them, held. Whoever has it closes it."""

    worker_id: str
    segments: list[Segment]
    lock: WorkerLock

    def close(self, *, remove: bool) -> None:
        """Give it back, to be taken again, or `remove` it where nothing of it is left."""
        self.lock.close(remove=remove)


def adopt(folder: Path, own_id: str) -> Iterator[DeadWorker]:
    """All but `own_id`. Each is taken when it is asked for, so that several adopters may share the work."""
    try:
        locks = {path.stem for path in folder.glob(f"*{SUFFIX}")}
        segments = {worker_of(path) for path in find(folder)}
    except OSError as exc:
        log.warning("the journal's folder cannot be read: %s", exc.strerror)
        return
    for worker_id in sorted((locks | segments) - {own_id}):
        if (dead := _take(folder, worker_id, make=worker_id in segments)) is not None:
            yield dead


def _take(folder: Path, worker_id: str, *, make: bool) -> DeadWorker | None:
    try:
        lock = WorkerLock.take(folder, worker_id, make=make)
    except OSError as exc:
        log.warning("%s of the journal's folder cannot be taken over: %s", worker_id, exc.strerror)
        return None
    if lock is None:
        return None
    paths = sorted(path for path in find(folder) if worker_of(path) == worker_id)
    if any(map(_is_locked, paths)):  # somebody removed the lock of a worker that lives
        lock.close(remove=True)
        return None
    return DeadWorker(worker_id, [Segment(path, size_of(path)) for path in paths], lock)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
