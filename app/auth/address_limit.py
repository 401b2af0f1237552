"""Counts by client address what must not come too often from one, such as failed authentications."""

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limits.strategies import RateLimiter

MEMORY = "memory://"

log = logging.getLogger(__name__)

_WINDOW_S = 60
_MANY_BLOCKED = 10_000  # to be remembered without looking who can be forgotten
_SERVER_TIMEOUT_S = 1.0
_AWAY_S = 5.0  # a server that did not answer is not asked again for so long


class AddressLimiter:
    """At most so many of something a minute from one address, by slowapi's limiter.

    slowapi takes 0.4 s to import and is not wanted before the first is counted; then a thread imports it.

    This process counts for itself, always. With a server of counters it also hears, with each one, whether all processes
    together have seen too many of that address; a server that is away is told of once, and no reason to fail a call.

    Args:
        counted: what is counted, as the log calls it: several of them.
        storage_url: where the counters are, as slowapi takes it: `memory://`, or `redis://…` to share them among processes.
    """

    def __init__(self, per_minute: int, counted: str, storage_url: str = MEMORY) -> None:
        self._per_minute = per_minute
        self._counted = counted
        self._storage_url = storage_url
        self._loading = asyncio.Lock()
        self._own: RateLimiter | None = None
        self._shared: RateLimiter | None = None
        self._asking = asyncio.Lock()
        self._away_until = 0.0
        self._told = False
        # Addresses of which there were too many, and until when: all others are spared the limiter.
        self._blocked: dict[str, float] = {}
        self._tidy_at = _MANY_BLOCKED

    def seconds_blocked(self, client: str) -> int:
        """For how long `client` is to be refused unheard; 0 where it is not."""
        until = self._blocked.get(client)
        return 0 if until is None else max(0, math.ceil(until - time.time()))

    async def note(self, client: str) -> None:
        """Count one of `client`, if the counters can be reached now: what they cannot do is no reason to fail a call."""
        try:
            own = await self._load_own()
            until = max(self._count(own, client), await self._count_shared(client))
        except Exception:  # of slowapi or of limits
            log.exception("%s cannot be counted", self._counted)
            return
        if until:
            self._block(client, until)

    def _block(self, client: str, until: float) -> None:
        now = time.time()
        # The clock of another machine may be wrong, the length of the window is not.
        self._blocked[client] = min(until, now + _WINDOW_S)
        if len(self._blocked) >= self._tidy_at:
            self._blocked = {address: end for address, end in self._blocked.items() if end > now}
            self._tidy_at = max(_MANY_BLOCKED, 2 * len(self._blocked))

    async def _count_shared(self, client: str) -> float:
        if self._storage_url == MEMORY:
            return 0.0
        # One after the other: when the server is away, one of them waits for it and the others need not.
        async with self._asking:
            if time.monotonic() < self._away_until:
                return 0.0
            try:
                until = await asyncio.to_thread(self._ask_server, client)
            except Exception as exc:  # of the storage's driver, whichever it is; its words may hold parts of the URL
                self._away_until = time.monotonic() + _AWAY_S
                if not self._told:
                    log.warning(
                        "The server of RATE_LIMIT_STORAGE_URL cannot be used (%s); each process counts %s for itself until it"
                        " can.",
                        type(exc).__name__,
                        self._counted,
                    )
                self._told = True
                return 0.0
            if self._told:
                log.info("The server of RATE_LIMIT_STORAGE_URL counts %s again.", self._counted)
            self._told = False
            return until

    def _ask_server(self, client: str) -> float:
        self._shared = self._shared or _load(self._storage_url)
        return self._count(self._shared, client)

    async def _load_own(self) -> "RateLimiter":
        async with self._loading:
            if self._own is None:
                self._own = await asyncio.to_thread(_load, MEMORY)
        return self._own

    def _count(self, limiter: "RateLimiter", client: str) -> float:
        """Count one; until when it was the last one allowed or one too many, in seconds since the epoch, or 0 where it was not."""
        from limits import RateLimitItemPerMinute

        item = RateLimitItemPerMinute(self._per_minute)
        key = (self._counted, client)
        if limiter.hit(item, *key) and limiter.test(item, *key):
            return 0.0
        until: float = limiter.get_window_stats(item, *key).reset_time
        return until


def _load(storage_url: str) -> "RateLimiter":
    from slowapi import Limiter

    options: dict[str, Any] = {}
    if storage_url != MEMORY:
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options = {"socket_timeout": _SERVER_TIMEOUT_S, "socket_connect_timeout": _SERVER_TIMEOUT_S}
        options["retry"] = Retry(NoBackoff(), 1)  # a connection that its server closed since is only found out so
    limiter = Limiter(key_func=lambda: "", strategy="moving-window", storage_uri=storage_url, storage_options=options)
    return limiter.limiter
