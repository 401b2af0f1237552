"""Fetches the events that Parallel's webhooks told of: in the background, and at once where a user asks."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from app.core.errors import RelayError, Unavailable, UpstreamFailure, UpstreamTimeout
from app.core.updates import Update, write_updates
from app.monitors.reading import read_events
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.fetches import (
    Claim,
    claim_due,
    claim_missing,
    give_up,
    keep_events,
    note_fetch_failure,
    put_back,
)
from app.store.times import MS_PER_DAY, now_ms

log = logging.getLogger(__name__)

AT_ONCE = 8
LOOK_S = 5.0
ATTEMPT_S = 45.0
LEASE_MS = 60_000  # longer than an attempt
GIVE_UP_MS = MS_PER_DAY
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3600.0

# A gateway that was away for long asks more than once all the same.
_LEAST_ATTEMPTS = 5
# That there are no events is believed when they have had so long to appear.
_EMPTY_MS = 600_000
_MOST_OF_USER = 16
_MOST_ERROR_CHARACTERS = 500

Notice = Callable[[Claim, Sequence[Update]], Awaitable[None]]
"""Is told of an event group that is here now."""


class Remote(Protocol):
    """What is asked at Parallel."""

    async def events(self, monitor_id: str, event_group_id: str) -> list[dict[str, Any]]:
        """What one run found, as Parallel writes it; raises errors of `RelayError`."""


class Fetcher:
    """Asks for what is missing until it is here, or for a day.

    Args:
        has_key: whether there is a key to ask with; until then all waits.
        on_fetched: called once for each event group, by the worker that stored it.
        on_given_up: called once for each that is given up, with its id and why.
        clock: milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        remote: Remote,
        has_key: Callable[[], bool],
        *,
        on_fetched: Notice | None = None,
        on_given_up: Callable[[str], None] = lambda _: None,
        clock: Callable[[], int] = now_ms,
        look_s: float = LOOK_S,
        attempt_s: float = ATTEMPT_S,
    ) -> None:
        self._database = database
        self._remote = remote
        self._has_key = has_key
        self._on_fetched = on_fetched
        self._on_given_up = on_given_up
        self._clock = clock
        self._look_s = look_s
        self._attempt_s = attempt_s
        self._woken = asyncio.Event()
        self._under_way: dict[str, tuple[Claim, asyncio.Task[None]]] = {}
        self._free = AT_ONCE

    def wake(self) -> None:
        """Let the background look at once: something is due."""
        self._woken.set()

    async def run(self) -> None:
        """Fetch what is due for as long as the gateway runs; what is under way at its end is left to others."""
        try:
            while True:
                self._woken.clear()
                if self._free and self._has_key():
                    await self._begin_due()
                try:
                    async with asyncio.timeout(self._look_s):
                        await self._woken.wait()
                except TimeoutError:
                    pass
        finally:
            tasks = [task for _, task in self._under_way.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def fetch_pending(self, username: str, within_s: float) -> None:
        """Ask now for what a user misses, and return when it is here, or cannot be had, or after `within_s`.

        What cannot be had now is asked for later, as if nobody had asked.
        """
        try:
            async with asyncio.timeout(within_s):
                if self._has_key():
                    await self._fetch_of(username)
        except (TimeoutError, Unavailable):
            pass
        except Exception:
            log.exception("what a user misses could not be asked for by a fault of ours")

    async def _fetch_of(self, username: str) -> None:
        ours = [task for claim, task in self._under_way.values() if claim.username == username]
        until = self._clock() + LEASE_MS
        claims = await claim_missing(
            self._database, username, until=until, most=_MOST_OF_USER, without=tuple(self._under_way)
        )
        if tasks := [*ours, *(self._begin(claim, self._put_back) for claim in claims)]:
            await asyncio.wait(tasks)

    async def _begin_due(self) -> None:
        now = self._clock()
        try:
            claims = await claim_due(self._database, now=now, until=now + LEASE_MS, most=self._free)
        except Unavailable:
            return
        for claim in claims:
            self._free -= 1
            self._begin(claim, self._try_later).add_done_callback(self._free_one)

    def _free_one(self, _task: object) -> None:
        self._free += 1
        self.wake()

    def _begin(self, claim: Claim, on_failure: "_OnFailure") -> asyncio.Task[None]:
        group = claim.event_group_id
        task = asyncio.create_task(self._fetch(claim, on_failure), name=f"fetch {group}")
        self._under_way[group] = claim, task
        task.add_done_callback(lambda _: self._under_way.pop(group, None))
        return task

    async def _fetch(self, claim: Claim, on_failure: "_OnFailure") -> None:
        """One attempt, from which nothing is raised."""
        try:
            updates = await self._ask(claim)
            if await keep_events(self._database, claim.event_group_id, write_updates(updates), self._clock()):
                await self._tell(claim, updates)
        except DatabaseUnavailable as exc:
            _log_unkept(claim, exc)
        except RelayError as exc:
            await self._fail(claim, exc, on_failure)
        except Exception:
            log.exception("the event group %s could not be fetched by a fault of ours", claim.event_group_id)
            await self._fail(claim, RelayError("The gateway failed; its log tells more."), on_failure)

    async def _ask(self, claim: Claim) -> Sequence[Update]:
        if claim.parallel_id is None:
            raise UpstreamFailure("It is not known which monitor at Parallel it is of.")
        try:
            async with asyncio.timeout(self._attempt_s):
                events = await self._remote.events(claim.parallel_id, claim.event_group_id)
        except TimeoutError:
            raise UpstreamTimeout(f"Parallel did not answer within {self._attempt_s:g} s.") from None
        if not events and not self._may_be_empty(claim):
            raise UpstreamFailure("Parallel has no events of it yet.")
        return read_events(events)

    def _may_be_empty(self, claim: Claim) -> bool:
        return claim.attempts + 1 >= _LEAST_ATTEMPTS and self._clock() - claim.received_at >= _EMPTY_MS

    async def _fail(self, claim: Claim, failure: RelayError, on_failure: "_OnFailure") -> None:
        try:
            await on_failure(claim, failure)
        except DatabaseUnavailable as exc:
            _log_unkept(claim, exc)

    async def _try_later(self, claim: Claim, failure: RelayError) -> None:
        now, error = self._clock(), failure.message[:_MOST_ERROR_CHARACTERS]
        if now - claim.received_at < GIVE_UP_MS or claim.attempts + 1 < _LEAST_ATTEMPTS:
            await note_fetch_failure(self._database, claim, error, now + _pause_ms(claim.attempts))
        elif await give_up(self._database, claim, error, now):
            log.error("the event group %s is given up: %s", claim.event_group_id, error)
            self._on_given_up(f"{claim.event_group_id}: {error}")

    async def _put_back(self, claim: Claim, failure: RelayError) -> None:
        await put_back(self._database, claim, failure.message[:_MOST_ERROR_CHARACTERS])

    async def _tell(self, claim: Claim, updates: Sequence[Update]) -> None:
        if self._on_fetched is None:
            return
        try:
            await self._on_fetched(claim, updates)
        except Exception:
            log.exception("nobody is told that the event group %s is here", claim.event_group_id)


_OnFailure = Callable[[Claim, RelayError], Coroutine[Any, Any, None]]


def _log_unkept(claim: Claim, exc: DatabaseUnavailable) -> None:
    log.warning(  # it is asked for again when the claim is over
        "what came of fetching the event group %s cannot be kept: %s", claim.event_group_id, exc
    )


def _pause_ms(attempts: int) -> int:
    """After so many attempts before: twice as long each time, give or take a fifth, so that not all come at once."""
    pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts, 20))
    return round(1000 * pause_s * random.uniform(0.8, 1.2))
