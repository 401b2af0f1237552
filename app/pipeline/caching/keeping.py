"""Keeps what was answered, when it has ended and off the path of the call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from app.core.answers import write_completion
from app.core.cached import CacheEntry
from app.core.call import Call
from app.core.errors import RelayError
from app.core.events import Completion
from app.core.ports import CacheStore, PriceList
from app.core.reply import End, Outcome
from app.core.usage import Usage
from app.pipeline.caching.finding import SECONDS_PER_HOUR, Finder, Found, Lookup
from app.pipeline.jobs import Jobs

log = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024
"""Of a reply that is kept: one of 4,000 tokens has a fiftieth of it, in any form of stream."""
# Bytes that are read in a millisecond or two; more would hold up other calls.
_READ_AT_ONCE = 64 * 1024
_WHOLE = frozenset({"stop", "tool_calls"})

ReadAnswer = Callable[[str, bytes, bool], Completion | None]
"""What a reply in a dialect comes to: `(dialect, body, streamed)`; None where it failed."""
Compare = Callable[[Call, Lookup, Found, Completion], Awaitable[None]]
"""Notes whether what was found would have been right, now that the target has answered."""


class Keeper:
    """Keeps answers of which all came, and that are as long as their cache wants."""

    def __init__(
        self,
        store: CacheStore,
        finder: Finder,
        prices: PriceList,
        jobs: Jobs,
        read_answer: ReadAnswer,
        compare: Compare,
    ) -> None:
        self._store = store
        self._finder = finder
        self._prices = prices
        self._jobs = jobs
        self._read_answer = read_answer
        self._compare = compare

    def begin(self, keeping: "Keeping", body: bytes, usage: Usage) -> None:
        """Keep what `keeping` has seen, soon. `usage` is what was metered: many streams do not tell it to the client."""
        if not self._jobs.start(self._keep(keeping, body, usage)):
            keeping.share(None)

    async def _keep(self, keeping: "Keeping", body: bytes, usage: Usage) -> None:
        call, lookup = keeping.call, keeping.lookup
        completion = None
        try:
            completion = await self._read(call, body, usage)
        finally:
            keeping.share(completion)
        if completion is None or not keeping.is_the_targets:
            return
        try:
            if _fits(lookup, completion):
                await self._store.put(lookup.collection, await self._entry(call, lookup, completion))
            if keeping.near is not None:
                await self._compare(call, lookup, keeping.near, completion)
        except RelayError as exc:
            log.warning("%s: the cache %s does not keep the answer: %s", call.id, lookup.cache.name, exc.message)

    async def _read(self, call: Call, body: bytes, usage: Usage) -> Completion | None:
        if len(body) <= _READ_AT_ONCE:
            completion = self._read_answer(call.dialect, body, call.streamed)
        else:
            completion = await asyncio.to_thread(self._read_answer, call.dialect, body, call.streamed)
        return replace(completion, usage=usage) if completion is not None and completion.reason in _WHOLE else None

    async def _entry(self, call: Call, lookup: Lookup, completion: Completion) -> CacheEntry:
        vector = lookup.vector
        if vector is None:
            vector = await self._finder.embed(call, lookup)
        now, usage, target = call.received_at, completion.usage, call.trace.target
        cost: Decimal | None = None if target is None else self._prices.price(target, usage, now).cost
        return CacheEntry(
            id=lookup.key.id,
            space=lookup.key.space,
            question=lookup.key.question,
            answer=write_completion(completion),
            vector=vector,
            stored_at=now,
            expires_at=now + lookup.cache.ttl_hours * SECONDS_PER_HOUR,
            input_tokens=usage.prompt,
            output_tokens=usage.completion,
            cost=cost,
            target="" if target is None else str(target),
            asked_by=call.principal.username,
        )


class Keeping:
    """The tap that collects a reply. It holds none: see `docs/architecture.md`.

    Attributes:
        near: what the cache would have proposed, where it was not sure enough.
        share: gives the answer to those who wait for it.

    Args:
        notes: how many the call's trace had before the target was asked.
    """

    __slots__ = ("_keeper", "_notes", "_pieces", "_size", "call", "lookup", "near", "share")

    def __init__(
        self,
        keeper: Keeper,
        call: Call,
        lookup: Lookup,
        near: Found | None,
        share: Callable[[Completion | None], None],
        notes: int = 0,
    ) -> None:
        self.call = call
        self.lookup = lookup
        self.near = near
        self.share = share
        self._keeper = keeper
        self._notes = notes
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def is_the_targets(self) -> bool:
        """Whether it is what the target says: not where the default model stood in, a stage behind could not do its part, another
        model carried a stream on, or another cache gave it, which has its own time and errors."""
        trace = self.call.trace
        stood_in = any(step.kind == "default" for step in trace.way[len(self.call.way) :])
        return not (stood_in or trace.cache_hit or trace.rescued or len(trace.notes) > self._notes)

    def feed(self, chunk: bytes) -> None:
        """Keep the piece, unless the reply is far too long already."""
        self._size += len(chunk)
        if self._size <= MOST_BYTES:
            self._pieces.append(chunk)

    def close(self, end: End) -> None:
        """Have it kept, if all of it came."""
        if end.outcome is Outcome.OK and end.status == 200 and 0 < self._size <= MOST_BYTES:
            self._keeper.begin(self, b"".join(self._pieces), end.usage)
        else:
            self.share(None)
        self._pieces.clear()


def _fits(lookup: Lookup, completion: Completion) -> bool:
    cache = lookup.cache
    return cache.min_cached_tokens <= completion.usage.completion <= cache.max_cached_tokens
