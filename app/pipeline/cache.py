"""The stage of semantic caches: answers again what was answered before, if it was asked in the same words or means the same.

Nearness of meaning only proposes. What the two texts say must agree in all that changes an answer (`app.likeness`), nobody must have
said that the pair is wrong, and it must all be within one space (`caching.key`), which nothing crosses.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from app.core.book import Entry
from app.core.cached import CacheEntry
from app.core.call import Call
from app.core.chat import ChatRequest
from app.core.errors import RelayError
from app.core.events import Completion
from app.core.jsonio import Json
from app.core.ports import Handler, NoteFailure
from app.core.reply import Reply
from app.core.smart import Cache, SmartModel
from app.core.usage import NO_USAGE
from app.pipeline.caching.finding import Finder, Found, Lookup
from app.pipeline.caching.flights import Flights
from app.pipeline.caching.keeping import Keeper, Keeping
from app.pipeline.caching.key import cache_of, key_of, said_lately

log = logging.getLogger(__name__)

STATUS = "x-relay-cache"
PAIR = "x-relay-cache-id"

WriteAnswer = Callable[[Call, Completion], Reply]
ReadChat = Callable[[Call], ChatRequest | None]
ReadRest = Callable[[Call, bool], Sequence[Json]]
"""What a call says beside that; of its last message alone where the second argument says so."""
Recheck = Callable[[Call, Entry, Found, ChatRequest], None]
"""Has a hit asked again in the background, and compared."""
Share = Callable[[Completion | None], None]


class SmartCache:
    """Answers calls for a cache from what it keeps, or passes them on and keeps what they get.

    Args:
        follow: the name that a name leads to by aliases and redirects alone.
        behind: the smart models that a call for a name may come through.
        is_told_once: whether the answer to a call that is led to a name may be one that is told once.
        keeper: keeps what was answered.
        count: adds to what a cache, by its id, counts.
    """

    def __init__(
        self,
        finder: Finder,
        keeper: Keeper,
        *,
        read_chat: ReadChat,
        read_rest: ReadRest,
        write_answer: WriteAnswer,
        follow: Callable[[str], str],
        behind: Callable[[str], Sequence[SmartModel]],
        is_told_once: Callable[[Call, str], bool] = lambda _call, _name: False,
        count: Callable[..., None],
        note_failure: NoteFailure,
        recheck: Recheck,
    ) -> None:
        self._finder = finder
        self._keeper = keeper
        self._read_chat = read_chat
        self._read_rest = read_rest
        self._write_answer = write_answer
        self._follow = follow
        self._behind = behind
        self._is_told_once = is_told_once
        self._count = count
        self._note_failure = note_failure
        self._recheck = recheck
        self._flights = Flights()

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        """The reply that was given before; else pass the call on to the target, and keep what it says."""
        cache = cache_of(entry)
        led = call.led("cache", cache.name, cache.target_model)
        lookup = self._lookup(call, entry, cache)
        if lookup is None:
            return _told(await call_next(led), "bypass")
        if "no-cache" in call.cache_control:
            return await self._ask(led, lookup, None, call_next, _keep_to_itself)
        self._count(entry.id, total_requests=1)
        found = await self._find(call, lookup)
        if found is not None and found.is_hit:
            completion, call.trace.similarity = found.completion, round(found.cosine, 4)
            if found.entry.id != lookup.key.id and random.uniform(0, 100) < cache.recheck_percent:
                self._recheck(call, entry, found, lookup.request)
            return self._hit(call, lookup, found.entry, completion)
        if not cache.coalesce:
            return await self._ask(led, lookup, found, call_next, _keep_to_itself)
        shared = await self._join(call, lookup)
        if isinstance(shared, Completion):
            return self._hit(call, lookup, None, shared)
        return await self._ask(led, lookup, found, call_next, shared)

    def _lookup(self, call: Call, entry: Entry, cache: Cache) -> Lookup | None:
        """What is to be looked for; None where this call is none for a cache."""
        if "no-store" in call.cache_control or (request := self._read_chat(call)) is None:
            return None
        target = cache.target_model
        if self._is_told_once(call, target):
            return None
        rest = self._read_rest(call, cache.match_last_message_only)
        key = key_of(call, request, cache, entry.id, self._follow(target), self._behind(target), rest)
        if key is None or any(map(self._finder.is_of_its_time, said_lately(request))):
            return None
        return Lookup(entry, cache, key, request, self._finder.collection_of(entry.id, cache))

    async def _find(self, call: Call, lookup: Lookup) -> Found | None:
        """What is there, within the cache's time; None also where the look-up failed, which is told."""
        cache = lookup.cache
        try:
            async with asyncio.timeout(cache.time_budget_ms / 1000):
                return await self._finder.find(call, lookup)
        except TimeoutError:
            reason = "timed out"
        except RelayError as exc:
            log.warning("%s: the cache %s was not looked at: %s", call.id, cache.name, exc.message)
            reason = exc.code or "failed"
        except Exception:
            log.exception("%s: the look-up in the cache %s failed by a fault of ours", call.id, cache.name)
            reason = "failed"
        self._note_failure(call, "cache", cache.name, reason)
        return None

    async def _join(self, call: Call, lookup: Lookup) -> Completion | Share:
        """The answer that another call waits for at this moment; else what gives ours to those who come meanwhile."""
        key, flights = lookup.key.id, self._flights
        try:
            async with asyncio.timeout(None if call.deadline is None else call.deadline - time.monotonic()):
                completion = await flights.join(key)
        except TimeoutError:
            return _keep_to_itself
        return partial(flights.land, key) if completion is None else completion

    async def _ask(self, led: Call, lookup: Lookup, near: Found | None, call_next: Handler, share: Share) -> Reply:
        """The target's reply, which is kept when it has ended. `near` is to be compared with it."""
        notes = len(led.trace.notes)
        try:
            reply = await call_next(led)
        except BaseException:
            share(None)
            raise
        if reply.once:
            share(None)
            return _told(reply, "bypass")
        reply.taps.append(Keeping(self._keeper, led, lookup, near, share, notes))
        return _told(reply, "miss")

    def _hit(self, call: Call, lookup: Lookup, entry: CacheEntry | None, completion: Completion) -> Reply:
        """The answer once more. It costs nothing, and was not used again; its ids are new."""
        call.trace.cache_hit = True
        usage = completion.usage
        saved = usage.prompt + usage.completion
        cost = None if entry is None else entry.cost
        self._count(lookup.entry.id, cache_hits=1, tokens_saved=saved, cost_saved=cost)
        reply = self._write_answer(call, replace(completion, id=None, created=None))
        reply.read_usage = lambda: NO_USAGE
        if entry is not None:
            reply.headers.append((PAIR.encode(), self._finder.pair(lookup, entry).encode()))
        return _told(reply, "hit")


def _told(reply: Reply, status: str) -> Reply:
    """The reply, which tells what the cache did; where one behind it had the answer, that is told already."""
    if (STATUS.encode(), b"hit") not in reply.headers:
        reply.headers[:] = [header for header in reply.headers if header[0] != STATUS.encode()]
        reply.headers.append((STATUS.encode(), status.encode()))
    return reply


def _keep_to_itself(_completion: Completion | None) -> None:
    """Nobody waits for the answer."""
