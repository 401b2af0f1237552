"""The last lines of the log, in memory, for administrators who look at it while it goes on."""

import asyncio
import contextlib
import itertools
import logging
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.redaction import redact

MOST_LINES = 2000
QUIET_S = 15.0
"""After so long without a line those who follow are told that there is none."""

MOST_LETTERS = 20_000
"""Of one line; what is longer is cut, so that all of them take some megabytes at most."""

_GATHER_S = 0.2  # lines come in bursts, and each event is a frame of its own


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without secrets, as in the log file. `number` goes up by one with each line of a worker."""

    number: int
    at: datetime
    level: int
    logger: str
    text: str

    @property
    def level_name(self) -> str:
        """`debug`, `info`, `warning`, `error` or `critical`."""
        return logging.getLevelName(self.level).lower()


class RecentLines(logging.Handler):
    """Keeps the last of them.

    Args:
        first: the number of the first one; of now where none is given, so that those of a worker that was started anew go on
            from the ones before, also where it is a process of the same number.

    Attributes:
        worker: the process whose they are; each has its own.
    """

    def __init__(self, most: int = MOST_LINES, first: int | None = None) -> None:
        super().__init__()
        self.worker = os.getpid()
        self._lines: deque[Line] = deque(maxlen=most)
        self._numbers = itertools.count(time.time_ns() // 1_000_000 if first is None else first)
        self._listeners: set[Callable[[], object]] = set()
        self._is_ending = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one. Any thread may have made it."""
        try:
            trace = f"\n{logging.Formatter().formatException(record.exc_info)}" if record.exc_info else ""
            at = datetime.fromtimestamp(record.created, UTC)
            text = redact(f"{record.getMessage()}{trace}")
            text = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}…"
            self._lines.append(Line(next(self._numbers), at, record.levelno, record.name, text))
        except Exception:  # as logging's own handlers do: whoever logs must not fail by it
            self.handleError(record)
            return
        self._wake()

    def read(self, after: int = 0, *, level: int = logging.NOTSET, most: int = MOST_LINES) -> list[Line]:
        """Those that came after the one of a number, of that level or a worse one; the last ones, the oldest first."""
        return [line for line in tuple(self._lines) if line.number > after and line.level >= level][-most:]

    async def follow(self) -> AsyncGenerator[list[Line], None]:
        """Those that are there, and then the others as they come; none at all after `QUIET_S` without one. Until `end_streams`."""
        loop, came = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(came.set)

        self._listeners.add(wake)
        last = 0
        try:
            while not self._is_ending:
                came.clear()
                lines = self.read(last)
                last = lines[-1].number if lines else last
                yield lines
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(QUIET_S):
                        await came.wait()
                        await asyncio.sleep(0 if self._is_ending else _GATHER_S)
        finally:
            self._listeners.discard(wake)

    def end_streams(self) -> None:
        """The gateway begins to stop, and waits for its streams."""
        self._is_ending = True
        self._wake()

    def _wake(self) -> None:
        for wake in tuple(self._listeners):
            with contextlib.suppress(RuntimeError):  # its loop is closed
                wake()
