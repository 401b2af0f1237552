"""Looks for an answer that may be given again: the very same request first, then what means the same."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.answers import read_completion
from app.core.book import Entry
from app.core.cached import CacheEntry
from app.core.call import Call
from app.core.chat import ChatRequest
from app.core.events import Completion
from app.core.frozen import frozen
from app.core.ports import CacheStore
from app.core.smart import Cache
from app.pipeline.caching.key import Key, pair_id

log = logging.getLogger(__name__)

SECONDS_PER_HOUR = 3600
EXACT = 1.0
# Characters of two texts together that are compared in a millisecond; more would hold up other calls.
_COMPARED_AT_ONCE = 200
# What is less alike is not proposed even where a bound on errors stands in the threshold's place.
LEAST_COSINE = 0.8

Embed = Callable[[Call, Entry, Sequence[str]], Awaitable[Sequence[bytes | None]]]
"""The vectors of texts by a cache's embedder; None for a text of which it cannot see all."""
Collection = Callable[[str, Cache], str]
"""Where the cache with that id keeps its answers: another embedder begins another one."""
Judge = Callable[[Call, Entry, str, str], Awaitable[bool]]
"""Whether the answer to the second question may be given to the first."""


class Likeness(Protocol):
    """How texts are compared (`app.likeness`)."""

    @property
    def longest(self) -> int:
        """How many characters: texts that are longer agree only where they are equal."""

    def normalise(self, text: str) -> str:
        """The form of a question that is embedded."""

    def differences(self, asked: str, stored: str) -> Sequence[str]:
        """Why two questions must not share an answer; none where no reason is found."""

    def time_sensitive(self, text: str) -> bool:
        """Whether the answer depends on when it is asked."""


class Feedback(Protocol):
    """What was said and found of pairs of questions, from memory."""

    def is_apart(self, cache_id: str, one: str, other: str) -> bool:
        """Whether two questions, by their `pair_id`, must not share an answer."""

    def may_answer(self, entry: Entry, stored: str, cosine: float) -> bool:
        """Whether a proposal is sure enough; where a bound on errors is set, that is by lot, in proportion to what is known.

        Args:
            stored: the `pair_id` of the question whose answer it is.
        """


@dataclass(slots=True)
class Lookup:
    """One call at a cache.

    Attributes:
        collection: where the cache keeps what it embeds by its embedder.
        vector: of its question, once it is known: it is kept with the answer.
    """

    entry: Entry
    cache: Cache
    key: Key
    request: ChatRequest
    collection: str
    vector: bytes | None = None

    @property
    def pair_id(self) -> str:
        """Names its question."""
        return pair_id(self.entry.id, self.key.question)


@frozen
class Found:
    """What was proposed. Where it `is_hit` it may be given; else it is to be compared with what the target says."""

    entry: CacheEntry
    completion: Completion
    cosine: float
    is_hit: bool = True


class Finder:
    """Finds what may be given again.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: CacheStore,
        embed: Embed,
        likeness: Likeness,
        feedback: Feedback,
        judge: Judge,
        collection_of: Collection,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._embed = embed
        self._likeness = likeness
        self._feedback = feedback
        self._judge = judge
        self.collection_of = collection_of
        self._clock = clock

    def is_of_its_time(self, question: str) -> bool:
        """Whether it must not be answered from what was said before."""
        return self._likeness.time_sensitive(question)

    def pair(self, lookup: Lookup, entry: CacheEntry) -> str:
        """Names the two questions that shared an answer, for whoever finds that wrong."""
        return f"{pair_id(lookup.entry.id, entry.question)}.{lookup.pair_id}"

    async def find(self, call: Call, lookup: Lookup) -> Found | None:
        """What may be given to `call`; None where there is nothing.

        Raises:
            RelayError: the store or the embedder failed.
        """
        exact = await self._store.get(lookup.collection, lookup.key.id)
        if exact is not None and (found := self._as_found(lookup, exact, EXACT)) is not None:
            return found
        lookup.vector = await self.embed(call, lookup)
        return None if lookup.vector is None else await self._nearest(call, lookup, lookup.vector)

    async def embed(self, call: Call, lookup: Lookup) -> bytes | None:
        """The vector of the question's canonical form; None where it is only to be found word for word."""
        if lookup.cache.embedder is None or len(lookup.key.question) > self._likeness.longest:
            return None
        (vector,) = await self._embed(call, lookup.entry, [self._likeness.normalise(lookup.key.question)])
        return vector

    async def _nearest(self, call: Call, lookup: Lookup, vector: bytes) -> Found | None:
        cache, question = lookup.cache, lookup.key.question
        least, judged = _least(cache), False
        for entry, cosine in await self._store.nearest(lookup.collection, lookup.key.space, vector):
            if cosine < least:
                break
            if (found := self._as_found(lookup, entry, cosine)) is None:
                continue
            if await self._differ(question, entry.question):
                continue
            if cache.max_error is not None:
                sure = self._feedback.may_answer(lookup.entry, pair_id(lookup.entry.id, entry.question), cosine)
                return Found(entry, found.completion, cosine, sure)
            if cosine >= cache.similarity_threshold:
                return found
            if not judged:  # one question to the judge is enough for a call
                judged = True
                if await self._judge(call, lookup.entry, question, entry.question):
                    return found
        return None

    async def _differ(self, asked: str, stored: str) -> bool:
        """Whether there is a reason why they must not share an answer."""
        differences = self._likeness.differences
        if len(asked) + len(stored) <= _COMPARED_AT_ONCE:
            await asyncio.sleep(0)  # there may be eight of them
            return bool(differences(asked, stored))
        return bool(await asyncio.to_thread(differences, asked, stored))

    def _as_found(self, lookup: Lookup, entry: CacheEntry, cosine: float) -> Found | None:
        """An entry that the cache's settings of now let through, and of which nobody said that it is wrong here."""
        cache, cache_id = lookup.cache, lookup.entry.id
        if entry.space != lookup.key.space:
            return None
        if not cache.min_cached_tokens <= entry.output_tokens <= cache.max_cached_tokens:
            return None
        if self._clock() - entry.stored_at > cache.ttl_hours * SECONDS_PER_HOUR:
            return None
        if self._feedback.is_apart(cache_id, pair_id(cache_id, entry.question), lookup.pair_id):
            return None
        completion = read_completion(entry.answer)
        return None if completion is None else Found(entry, completion, cosine)


def _least(cache: Cache) -> float:
    if cache.max_error is not None:
        return LEAST_COSINE
    return cache.similarity_threshold if cache.judge_model is None else cache.judge_threshold
