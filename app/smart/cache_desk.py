"""What people do with a cache beside defining it: look at what it keeps, clear it, and say that an answer was wrong."""

import re
from dataclasses import dataclass

from app.core.audit import changing
from app.core.cached import CachePage
from app.core.ports import CacheStore
from app.core.smart import Cache
from app.pipeline.caching.finding import Collection
from app.pipeline.caching.key import pair_id
from app.smart.cache_pairs import MOST_COMPARED, Pair, find_alike
from app.smart.desk import SmartDesk, Stored, title_of
from app.smart.feedback import CacheFeedback
from app.store.audit import acting

_PAIR = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}")


class NoSuchPair(ValueError):
    """It names no two questions; the message is a sentence."""


class NoSuchEntry(LookupError):
    """The cache keeps no answer of that id, or none any more; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class CacheContent:
    """What a cache keeps: in which collection of the store, and how many answers."""

    collection: str
    entries: int


class CacheDesk:
    """All functions raise `NoSuchName`, `DatabaseUnavailable` and `CacheUnavailable`."""

    def __init__(self, desk: SmartDesk, store: CacheStore, feedback: CacheFeedback, collection_of: Collection) -> None:
        self._desk = desk
        self._store = store
        self._feedback = feedback
        self._collection_of = collection_of

    async def look(self, key: str) -> tuple[Stored, CacheContent]:
        """The cache with that id or name, and what it keeps."""
        stored, _, collection = await self._find(key)
        return stored, CacheContent(collection, await self._store.count(collection))

    async def page(self, key: str, text: str = "", after: str | None = None, most: int = 50) -> CachePage:
        """Some of its entries, the newest first; those whose questions hold `text`, and that follow the page which gave `after`."""
        _, _, collection = await self._find(key)
        return await self._store.page(collection, text=text, after=after, most=most)

    async def find_pairs(self, key: str, near: float | None = None, most: int = 50) -> tuple[list[Pair], int]:
        """Pairs of questions whose cosines are nearest to `near`, or to the cache's threshold, the most alike first.

        Returns:
            These, and among how many of the newest entries they were looked for.
        """
        stored, cache, collection = await self._find(key)
        entries = (await self._store.page(collection, most=MOST_COMPARED, vectors=True)).entries
        pairs = []
        wanted = cache.similarity_threshold if near is None else near
        for (one, other, cosine), differences in await find_alike(entries, wanted, most):
            ids = pair_id(stored.id, one.question), pair_id(stored.id, other.question)
            is_apart = self._feedback.is_apart(stored.id, *ids)
            pairs.append(Pair(one, other, cosine, differences, is_apart, ".".join(ids)))
        return pairs, len(entries)

    async def forget(self, key: str, entry_id: str) -> None:
        """Forget one answer.

        Raises:
            NoSuchEntry: there is none of that id.
        """
        stored, _, collection = await self._find(key)
        if await self._store.get(collection, entry_id) is None:
            raise NoSuchEntry(f"The cache {stored.model.name!r} keeps no answer {entry_id[:80]!r}.")
        async with acting(self._desk.db, "cache.forget", title_of(stored.model), before={"entry": entry_id}):
            await self._store.delete(collection, [entry_id])

    async def clear(self, key: str) -> int:
        """Forget all answers; what was counted and said of pairs stays. How many they were."""
        stored, content = await self.look(key)
        async with acting(self._desk.db, "cache.clear", title_of(stored.model), before={"entries": content.entries}):
            await self._store.clear(content.collection)
        return content.entries

    async def keep_apart(self, key: str, pair: str) -> None:
        """Never again let two questions share an answer.

        Args:
            pair: as a response's `x-relay-cache-id` named them.

        Raises:
            NoSuchPair: that is not how they are named.
        """
        stored = await self._desk.show(key, "cache")
        if not _PAIR.fullmatch(pair):
            raise NoSuchPair(f"{pair[:80]!r} is not what x-relay-cache-id tells: two ids with a dot between them.")
        one, _, other = pair.partition(".")
        told = {"pair": pair}
        before = told if self._feedback.is_apart(stored.id, one, other) else None
        with changing("cache.wrong", title_of(stored.model), before=before, after=told):
            await self._feedback.keep_apart(stored.id, one, other)

    async def _find(self, key: str) -> tuple[Stored, Cache, str]:
        """The cache, and the collection where its answers are."""
        stored = await self._desk.show(key, "cache")
        if not isinstance(stored.model, Cache):
            raise TypeError(f"{stored.model.name} is no cache")
        return stored, stored.model, self._collection_of(stored.id, stored.model)
