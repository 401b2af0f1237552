"""What people do with a cache beside defining it: look at what it keeps, clear it, and say that an answer was wrong."""

import re
from dataclasses import dataclass

from app.core.ports import CacheStore
from app.core.smart import Cache
from app.pipeline.caching.finding import Collection
from app.smart.desk import SmartDesk, Stored
from app.smart.feedback import CacheFeedback

_PAIR = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}")


class NoSuchPair(ValueError):
    """It names no two questions; the message is a sentence."""


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
        stored = await self._desk.show(key, "cache")
        if not isinstance(stored.model, Cache):
            raise TypeError(f"{stored.model.name} is no cache")
        collection = self._collection_of(stored.id, stored.model)
        return stored, CacheContent(collection, await self._store.count(collection))

    async def clear(self, key: str) -> int:
        """Forget all answers; what was counted and said of pairs stays. How many they were."""
        _, content = await self.look(key)
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
        await self._feedback.keep_apart(stored.id, one, other)
