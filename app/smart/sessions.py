"""Which model a conversation has with a router: in memory, and behind that in the database, which all workers share."""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from app.core.errors import Unavailable
from app.store.db import Database
from app.store.leases import hold_lease, release_lease
from app.store.router_sessions import Choice, delete_old_sessions, find_session, keep_sessions
from app.store.times import now_ms

log = logging.getLogger(__name__)

MOST_REMEMBERED = 20_000
# While the database is away; what comes beyond stays with its worker.
MOST_WAITING = 5_000
BATCH = 200
RETRY_S = 1.0

LEASE = "router sessions"
LEASE_MS = 60_000
SWEEP_EVERY_S = 600.0
ROWS_AT_ONCE = 200
PAUSE_S = 0.02


class RouterSessions:
    """Found in memory where this worker knows them, else asked of the database. `run` and `run_sweep` beside it.

    Args:
        clock: milliseconds since 1970.
    """

    def __init__(self, db: Database, *, clock: Callable[[], int] = now_ms) -> None:
        self._db = db
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._waiting: dict[str, Choice] = {}
        self._came = asyncio.Event()
        self._holder = secrets.token_hex(8)

    async def find(self, key: str) -> str | None:
        """The model of the conversation with that key; None where it has none any more, or that cannot be known now."""
        now, known = self._clock(), self._known.get(key)
        if known is not None and known[1] > now:
            self._known.move_to_end(key)
            return known[0]
        try:
            found = await find_session(self._db, key, now)
        except Unavailable as exc:
            log.warning("a conversation's model is not known: %s", exc)
            return None
        if found is None:
            return None
        self._remember(key, found)
        return found[0]

    def keep(self, key: str, model: str, ttl_s: float, *, instead_of: str | None = None) -> None:
        """Let it have `model` for so long, unless it has got another one in the meantime than `instead_of`. Never waits."""
        choice = Choice(key, model, self._clock() + round(ttl_s * 1000), instead_of or "")
        self._remember(key, (model, choice.until))
        before = self._waiting.get(key)
        if before is not None:  # what is in the database is still what was there before that
            choice = replace(choice, instead_of=before.instead_of)
        elif len(self._waiting) >= MOST_WAITING:
            return
        self._waiting[key] = choice
        self._came.set()

    async def run(self) -> None:
        """Write what comes, at once, for as long as the gateway runs."""
        while True:
            await self._came.wait()
            self._came.clear()
            try:
                await self.flush()
            except Unavailable as exc:
                log.warning("the models of %d conversations wait for the database: %s", len(self._waiting), exc)
                await asyncio.sleep(RETRY_S)
                self._came.set()

    async def flush(self) -> None:
        """Write all that waits; where another worker was first, its choice counts from now on.

        Raises:
            DatabaseUnavailable: what was not written waits on.
        """
        while batch := list(self._waiting.values())[:BATCH]:
            now = self._clock()
            kept = await keep_sessions(self._db, batch, now)
            for choice in batch:
                later = self._waiting.pop(choice.key)
                if later is not choice:
                    self._waiting[choice.key] = replace(later, instead_of=choice.model)
                elif choice.key in kept:
                    self._remember(choice.key, kept[choice.key])

    async def run_sweep(self) -> None:
        """Delete those whose time is over, now and then, one worker for all."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
            except Unavailable as exc:
                log.warning("old models of conversations are deleted later: %s", exc)

    async def sweep(self) -> None:
        """Delete all whose time is over now, unless another worker is at it.

        Raises:
            DatabaseUnavailable: the rest stays for the next time.
        """
        now = self._clock()
        if not await hold_lease(self._db, LEASE, self._holder, now=now, for_ms=LEASE_MS):
            return
        deleted = ROWS_AT_ONCE
        while deleted == ROWS_AT_ONCE:
            deleted = await delete_old_sessions(self._db, before=now, most=ROWS_AT_ONCE)
            await asyncio.sleep(PAUSE_S)
        await release_lease(self._db, LEASE, self._holder)

    def _remember(self, key: str, found: tuple[str, int]) -> None:
        self._known[key] = found
        self._known.move_to_end(key)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
