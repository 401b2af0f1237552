"""The file by which a worker tells others on its machine that it lives, and that holds room on the disk for it."""

import fcntl
import os
from pathlib import Path

SUFFIX = ".lock"

# Room for the records of some 2000 calls that are under way when the disk becomes full.
RESERVE_BYTES = 1 << 20
# What must be free beside it when it is taken. Else a full disk would seem to have room whenever the reserve was given up.
SPARE_BYTES = 1 << 16


class WorkerLock:
    """A file that its worker holds a lock on; the system lifts that when the process ends, however it ends.

    Its content is of no interest, only that it takes room: given up when the disk is full, it is there for the records of
    calls that are under way. Having it is the sign that the disk takes more.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.has_reserve = False

    @classmethod
    def make(cls, folder: Path, worker_id: str) -> "WorkerLock":
        """The lock of a worker that begins, still without its reserve.

        Raises:
            OSError: the folder takes no file.
        """
        path = folder / f"{worker_id}{SUFFIX}"
        # By its name only when it is locked: without a lock it would be taken for a dead worker's.
        unnamed = path.with_suffix(".new")
        descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            unnamed.rename(path)
        except OSError:
            unnamed.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return cls(path, descriptor)

    @classmethod
    def take(cls, folder: Path, worker_id: str, *, make: bool) -> "WorkerLock | None":
        """The lock of another worker; None where that lives, or somebody else was quicker.

        Args:
            make: it is wanted also where there is no such file.

        Raises:
            OSError: the file cannot be opened.
        """
        path = folder / f"{worker_id}{SUFFIX}"
        try:
            descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if not os.fstat(descriptor).st_nlink:  # the quicker one has removed it between the opening and the lock
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)  # a dead worker needs no room
        return cls(path, descriptor)

    def reserve(self) -> None:
        """Take the reserve, where it is not there.

        Raises:
            OSError: the disk has no room for it, or next to none beside it.
        """
        if self.has_reserve:
            return
        try:
            wanted = RESERVE_BYTES + SPARE_BYTES
            if os.pwrite(self._descriptor, bytes(wanted), 0) < wanted:
                os.pwrite(self._descriptor, b"\0", wanted)  # asks for the reason
        except OSError:
            os.ftruncate(self._descriptor, 0)
            raise
        os.ftruncate(self._descriptor, RESERVE_BYTES)
        self.has_reserve = True

    def give_up_reserve(self) -> None:
        """Make room on the disk."""
        if self.has_reserve:
            self.has_reserve = False
            os.ftruncate(self._descriptor, 0)

    def close(self, *, remove: bool) -> None:
        """Let go of it; `remove` it where nothing of its worker is left."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
