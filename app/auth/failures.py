"""Counts failed authentications by client address, so that nobody can try tokens at leisure."""

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.strategies import RateLimiter

MAX_FAILURES_PER_MINUTE = 30

log = logging.getLogger(__name__)

_WINDOW_S = 60
_MANY_SUSPECTS = 10_000  # to be remembered without looking who can be forgotten


class FailureLimiter:
    """At most 30 failures a minute from one address, by slowapi's limiter.

    slowapi takes 0.4 s to import and is not wanted before the first failure; then a thread imports it.

    Args:
        storage_url: where the counters are, as slowapi takes it: `memory://`, or `redis://…` to share them among workers.
    """

    def __init__(self, storage_url: str = "memory://") -> None:
        self._storage_url = storage_url
        self._loading = asyncio.Lock()
        self._limiter: tuple[RateLimiter, RateLimitItem] | None = None
        # Addresses that failed here lately, and until when that counts: all others are spared the limiter.
        self._suspects: dict[str, float] = {}
        self._tidy_at = _MANY_SUSPECTS

    def seconds_blocked(self, client: str) -> int:
        """For how long `client` is to be refused unheard; 0 where it is not."""
        if client not in self._suspects or self._limiter is None:
            return 0
        limiter, item = self._limiter
        if limiter.test(item, client):
            return 0
        return max(1, math.ceil(limiter.get_window_stats(item, client).reset_time - time.time()))

    async def note(self, client: str) -> None:
        """Count a failure of `client`, if the counters can be reached now: what they cannot do is no reason to fail a call."""
        try:
            limiter, item = await self._loaded()
            limiter.hit(item, client)
        except Exception:  # of slowapi, of limits, or of any storage's driver
            log.exception("failed authentications cannot be counted")
            return
        now = time.monotonic()
        self._suspects[client] = now + _WINDOW_S
        if len(self._suspects) >= self._tidy_at:
            self._suspects = {address: until for address, until in self._suspects.items() if until > now}
            self._tidy_at = max(_MANY_SUSPECTS, 2 * len(self._suspects))

    async def _loaded(self) -> "tuple[RateLimiter, RateLimitItem]":
        async with self._loading:
            if self._limiter is None:
                self._limiter = await asyncio.to_thread(_load, self._storage_url)
        return self._limiter


def _load(storage_url: str) -> "tuple[RateLimiter, RateLimitItem]":
    from limits import RateLimitItemPerMinute
    from slowapi import Limiter

    limiter = Limiter(key_func=lambda: "", strategy="moving-window", storage_uri=storage_url)
    return limiter.limiter, RateLimitItemPerMinute(MAX_FAILURES_PER_MINUTE)
