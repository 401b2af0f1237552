"""The health board: how each target has been doing, when it is left alone for a while, and when it is tried again."""

import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.core.call import Target

CONSECUTIVE_FAILURES = 5
WINDOW_CALLS = 20
WINDOW_S = 60.0
# Of the last calls within the window; below ten calls a rate says little.
ERROR_RATE = 0.5
LEAST_CALLS = 10
OPEN_S = 10.0
LONGEST_OPEN_S = 120.0
MOST_ENTRIES = 4096
# A tenth for each new first byte: some ten calls make a new average.
_EWMA_WEIGHT = 0.1

State = Literal["closed", "open", "half-open"]
Ticket = int
"""Tells one call to a target from the others; 0 is none."""


@dataclass(frozen=True, slots=True)
class Health:
    """One target as an operator sees it. `retry_s` is how long it is still left alone."""

    state: State
    calls: int
    failures: int
    under_way: int
    first_byte_s: float | None
    retry_s: float


@dataclass(slots=True)
class _Entry:
    """What is known of one target. `outcomes` are (monotonic time, failed) of its last calls.

    Tickets are counted up: those up to `opened_at` were given before the breaker last opened. `probe` is 0 where nobody probes.
    """

    outcomes: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=WINDOW_CALLS))
    consecutive: int = 0
    open_until: float = 0.0
    open_s: float = 0.0
    tickets: int = 0
    opened_at: int = 0
    probe: int = 0
    under_way: int = 0
    calls: int = 0
    failures: int = 0
    first_byte_s: float | None = None
    limited_until: float = 0.0

    @property
    def retried_later(self) -> bool:
        """Its breaker is open."""
        return self.open_until > 0


class Board:
    """A breaker for each target.

    It opens after `CONSECUTIVE_FAILURES`, or when `ERROR_RATE` of the last calls failed; it lets one call probe when its
    time is over, closes when that one goes well, and stays open for twice as long when it does not. Calls that began before it
    opened and end later change nothing about it: they tell of the time before.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Target, _Entry] = {}

    def enter(self, target: Target, *, always: bool = False) -> Ticket:
        """Begin a call, `always` or unless the breaker is open; then the ticket is 0.

        Who got another tells the end with it: `succeeded`, `failed` or `left`.
        """
        entry = self._entries.get(target)
        if entry is None:
            if len(self._entries) >= MOST_ENTRIES:
                self._tidy()
            entry = self._entries[target] = _Entry()
        ticket = entry.tickets + 1
        if entry.retried_later and not always:
            if entry.probe or self._clock() < entry.open_until:
                return 0
            entry.probe = ticket
        entry.tickets = ticket
        entry.under_way += 1
        return ticket

    def succeeded(self, target: Target, ticket: Ticket, first_byte_s: float) -> None:
        """The first byte came after so many seconds."""
        entry = self._entries[target]
        entry.under_way -= 1
        entry.calls += 1
        before = entry.first_byte_s
        entry.first_byte_s = first_byte_s if before is None else before + _EWMA_WEIGHT * (first_byte_s - before)
        if ticket <= entry.opened_at:
            return
        entry.consecutive = 0
        entry.open_until = entry.open_s = 0.0
        if ticket == entry.probe:
            entry.probe = 0
            entry.outcomes.clear()
        entry.outcomes.append((self._clock(), False))

    def failed(self, target: Target, ticket: Ticket) -> bool:
        """The target failed. True where its breaker opens by that."""
        entry = self._entries[target]
        entry.under_way -= 1
        entry.calls += 1
        return self._count_failure(entry, ticket)

    def broke(self, target: Target, ticket: Ticket) -> bool:
        """A reply broke off after its first byte, which had been told as a success. True where the breaker opens by that."""
        entry = self._entries.get(target)
        return entry is not None and self._count_failure(entry, ticket)

    def left(self, target: Target, ticket: Ticket) -> None:
        """The call ended without saying anything about the target: the client left, or was at fault."""
        entry = self._entries[target]
        entry.under_way -= 1
        if ticket == entry.probe:
            entry.probe = 0

    def limited(self, target: Target, seconds: float) -> None:
        """The target said that it takes no more calls for so long."""
        self._entries[target].limited_until = self._clock() + seconds

    def is_limited(self, target: Target) -> bool:
        """Whether that time is not over. It may be asked, but others had better be asked before."""
        entry = self._entries.get(target)
        return entry is not None and entry.limited_until > self._clock()

    def retry_s(self, target: Target) -> float:
        """How long the target is still left alone, in seconds."""
        entry = self._entries.get(target)
        return 0.0 if entry is None else max(0.0, entry.open_until - self._clock())

    def fastest_first(self, targets: Sequence[Target]) -> list[Target]:
        """The better of two at random, then the others in their order: so that the best one does not get all calls."""
        if len(targets) < 2:
            return list(targets)
        first, second = random.sample(targets, 2)
        best = first if self._load(first) <= self._load(second) else second
        return [best, *(target for target in targets if target != best)]

    def healths(self) -> Mapping[Target, Health]:
        """All targets that were called since the start."""
        return {target: self._health(entry) for target, entry in self._entries.items()}

    def _tidy(self) -> None:
        """Forget what is in order and not in use: clients can make up names of models without end."""
        self._entries = {
            target: entry for target, entry in self._entries.items() if entry.under_way or entry.retried_later
        }

    def _load(self, target: Target) -> float:
        """What to expect of one more call. One that is not known is tried."""
        entry = self._entries.get(target)
        if entry is None or entry.first_byte_s is None:
            return 0.0
        return entry.first_byte_s * (entry.under_way + 1)

    def _count_failure(self, entry: _Entry, ticket: Ticket) -> bool:
        entry.failures += 1
        if ticket <= entry.opened_at:
            return False
        now = self._clock()
        entry.consecutive += 1
        entry.outcomes.append((now, True))
        young = [failed for at, failed in entry.outcomes if now - at <= WINDOW_S]
        is_bad = entry.consecutive >= CONSECUTIVE_FAILURES or (
            len(young) >= LEAST_CALLS and sum(young) >= ERROR_RATE * len(young)
        )
        opens = ticket == entry.probe or (is_bad and not entry.open_until)
        if opens:
            entry.probe = 0
            entry.opened_at = entry.tickets
            entry.open_s = min(entry.open_s * 2 or OPEN_S, LONGEST_OPEN_S)
            entry.open_until = now + entry.open_s
        return opens

    def _health(self, entry: _Entry) -> Health:
        retry_s = max(0.0, entry.open_until - self._clock())
        state: State = "closed" if not entry.open_until else "open" if retry_s else "half-open"
        return Health(state, entry.calls, entry.failures, entry.under_way, entry.first_byte_s, retry_s)
