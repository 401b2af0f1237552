"""A deadline that moves with every request and every read, on a timer that hardly ever does."""

import asyncio
import math
from collections.abc import Callable

_CLOCK_STEP_S = 0.002  # uvloop's clock has steps of 1 ms


class Alarm:
    """Calls `ring` once `set`'s seconds are over, unless it was set anew or cleared before.

    A timer costs some microseconds to make and to cancel. So it stays as it is when the deadline moves away from it,
    and looks at the deadline only when it goes off.
    """

    __slots__ = ("_deadline", "_due", "_loop", "_ring", "_timer")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._deadline = self._due = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float | None) -> None:
        """Ring in `seconds`; None is never."""
        if seconds is None:
            self._deadline = math.inf
            return
        self._deadline = deadline = self._loop.time() + seconds
        if self._timer is not None:
            if self._due <= deadline:
                return
            self._timer.cancel()
        self._start(deadline)

    def clear(self) -> None:
        """Do not ring."""
        self._deadline = math.inf

    def stop(self) -> None:
        """Do not ring, and let go of the timer."""
        self._deadline = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() + _CLOCK_STEP_S >= self._deadline:
            self._deadline = math.inf
            self._ring()
        elif self._deadline != math.inf:
            self._start(self._deadline)

    def _start(self, at: float) -> None:
        self._due = at
        self._timer = self._loop.call_at(at, self._look)
