"""What monitors found and their users have not been told, taken by calls that tell it: under claims, which this worker renews."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from app.core.errors import RelayError
from app.core.updates import UpdateGroup
from app.store.db import Database, DatabaseUnavailable
from app.store.monitors.updates import (
    Claim,
    Claimed,
    claim_updates,
    mark_processed,
    release_updates,
    renew_claims,
)
from app.store.times import now_ms

log = logging.getLogger(__name__)

LEASE_S = 60.0
"""For so long what a worker that died had claimed is nobody's."""
RENEW_S = 20.0
RETRY_S = 1.0
LONGEST_S = 3600.0
"""No reply is on its way for longer; a claim that nobody ended in that time is a fault of ours, and is let go."""
FETCH_S = 4.0
"""For so long a call waits for what is to be fetched yet: clients wait for it in silence."""

FetchMissing = Callable[[str], Awaitable[None]]
"""Fetches what event groups of a user still lack, as far as that is quick."""


async def _fetch_nothing(_username: str) -> None:
    """Where somebody else does."""


class PendingUpdates:
    """What `app.core.updates.Pending` promises, from the database. `run` beside the calls, and `aclose` at the end.

    Args:
        fetch_missing: called before anything is taken; ended after `FETCH_S`, and nothing is lost where it fails.
    """

    def __init__(self, database: Database, fetch_missing: FetchMissing = _fetch_nothing) -> None:
        self._db = database
        self._fetch_missing = fetch_missing
        self._held: dict[Claim, float] = {}  # until when it is renewed, on the monotonic clock
        self._told: set[Claim] = set()  # to be marked
        self._free: set[Claim] = set()  # to be released
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def take(self, username: str, most: int) -> "TakenUpdates":
        """Claim about `most` updates of a user, in whole groups, at least one where there is any.

        Raises:
            DatabaseUnavailable: it cannot be known what is pending.
        """
        await self._fetch(username)
        claim, now = Claim(secrets.token_hex(16), username), now_ms()
        claiming = self._start(claim_updates(self._db, claim, most, now=now, until=now + round(LEASE_S * 1000)))
        try:
            claimed = await asyncio.shield(claiming)
        except (
            BaseException
        ):  # the caller waits no longer, or nobody knows: it may be claimed all the same, now or later
            self._start(self._give_up(claim, claiming))
            raise
        if claimed.groups:
            self._held[claim] = time.monotonic() + LONGEST_S
        return TakenUpdates(self, claim, claimed)

    async def run(self) -> None:
        """Renew the claims of this worker, and write what the database could not take, for ever."""
        renewed_at = time.monotonic()
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                await self.write()
                if time.monotonic() - renewed_at >= RENEW_S:
                    await self._renew()
                    renewed_at = time.monotonic()
            except DatabaseUnavailable as exc:
                log.warning("What was told of monitors could not be marked yet, nor claims renewed. %s", exc)

    async def write(self) -> None:
        """Mark what was told, and release what was not.

        Raises:
            DatabaseUnavailable: what is not written stays for the next time.
        """
        async with self._writing:
            if told := list(self._told):
                await mark_processed(self._db, told, now_ms())
                self._told.difference_update(told)
            if free := list(self._free):
                await release_updates(self._db, free)
                self._free.difference_update(free)

    async def aclose(self) -> None:
        """Release what is still claimed, and write all.

        Raises:
            DatabaseUnavailable: others get what was not told when its claims are over, and what was not marked, again.
        """
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._free |= self._held.keys()
        self._held.clear()
        await self.write()

    async def end(self, claim: Claim, *, told: bool) -> None:
        """Let go of a claim whose updates reached the user as a whole, or did not. What cannot be written now is later."""
        if self._held.pop(claim, None) is None:
            return
        (self._told if told else self._free).add(claim)
        await asyncio.shield(self._start(self._write_soon()))

    async def _fetch(self, username: str) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                await self._fetch_missing(username)
        except (RelayError, TimeoutError) as exc:
            log.info("Not all that monitors found could be fetched for a call: %s", str(exc) or "it took too long")
        except Exception:
            log.exception("what monitors found could not be fetched by a fault of ours")

    async def _renew(self) -> None:
        now = time.monotonic()
        overdue = [claim for claim, until in self._held.items() if until <= now]
        for claim in overdue:
            log.error("A claim on what a monitor found was not ended within %g s, and is let go.", LONGEST_S)
            del self._held[claim]
        claims = [*self._held, *self._told]
        if claims:
            await renew_claims(self._db, claims, now_ms() + round(LEASE_S * 1000))

    async def _give_up(self, claim: Claim, claiming: "asyncio.Task[Claimed]") -> None:
        await asyncio.wait([claiming])
        if claiming.exception() is None or isinstance(claiming.exception(), DatabaseUnavailable):
            self._free.add(claim)
            await self._write_soon()

    async def _write_soon(self) -> None:
        try:
            await self.write()
        except DatabaseUnavailable as exc:
            log.warning("What was told of monitors is marked later. %s", exc)

    def _start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """A task that goes on whoever leaves."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class TakenUpdates:
    """What one call took; see `app.core.updates.Taken`."""

    def __init__(self, pending: PendingUpdates, claim: Claim, claimed: Claimed) -> None:
        self.groups: Sequence[UpdateGroup] = claimed.groups
        self.remaining = claimed.remaining
        self.missing = claimed.missing
        self.elsewhere = claimed.elsewhere
        self._pending = pending
        self._claim = claim

    async def delivered(self) -> None:
        """They have reached the user as a whole."""
        await self._pending.end(self._claim, told=True)

    async def put_back(self) -> None:
        """They have not."""
        await self._pending.end(self._claim, told=False)
