"""The store of semantic caches on a Chroma server, which several machines can share."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from app.core.cached import CacheEntry, CachePage
from app.core.errors import CacheUnavailable
from app.store.vectors.chroma_link import ChromaLink, ChromaServer
from app.store.vectors.chroma_listing import Listing, read_place, write_place
from app.store.vectors.records import place_without_vector, read_entry, write_metadata
from app.store.vectors.signs import read_vector

if TYPE_CHECKING:
    from chromadb.api.async_fastapi import AsyncFastAPI
    from chromadb.api.models.AsyncCollection import AsyncCollection
    from chromadb.types import Where

T = TypeVar("T")

LOOK_UP_S = 0.25
"""Below the time budget of a cache, so that a server that hangs is known to."""

_WRITE_S = 10.0
_ADMIN_S = 60.0
# Vectors of one collection are equally long, so entries without one lie in a collection beside it.
_VECTORS, _NO_VECTORS = "", "-exact"
_NAME = "llm_relay_collection"
_PAGE = 1000
_COSINE = {"hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 32}}


class ChromaCacheStore:
    """A `CacheStore` on a server. Whoever makes it calls `aclose`. Nothing is imported or connected before the first use.

    Args:
        prefix: what the names of all our collections begin with on the server.
        look_up_s: how long `get` and `nearest` may take.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        server: ChromaServer,
        prefix: str,
        *,
        look_up_s: float = LOOK_UP_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = ChromaLink(server)
        self._server = server
        self._prefix = prefix
        self._look_up_s = look_up_s
        self._clock = clock
        # By their names there; only the link's thread touches it. What is not there is asked for each time: another
        # machine may make it at any moment.
        self._known: dict[str, AsyncCollection] = {}

    async def warm(self) -> None:
        """Import the client and connect."""
        await self._link.warm()
        await self._link.do(lambda client: client.heartbeat(), _WRITE_S)

    async def get(self, collection: str, id: str) -> CacheEntry | None:  # noqa: A002 - the word of CacheEntry
        """The entry of exactly that id."""

        async def read(there: "AsyncCollection") -> list[CacheEntry]:
            found = await there.get(ids=[id], include=["metadatas"])
            return _read_all(found["ids"], found["metadatas"] or ())

        found = await self._link.do(lambda client: self._both(client, collection, read), self._look_up_s)
        live = [each for some in found for each in some if each.expires_at is None or each.expires_at > self._clock()]
        return max(live, key=lambda each: each.stored_at, default=None)

    async def nearest(
        self, collection: str, space: str, vector: bytes, most: int = 8
    ) -> Sequence[tuple[CacheEntry, float]]:
        """The entries of a space that are most like `vector`, each with its cosine, best first."""
        wanted = read_vector(vector)

        async def query(there: "AsyncCollection") -> list[tuple[CacheEntry, float]]:
            found = await there.query(
                query_embeddings=wanted,
                n_results=most,
                where={"$and": [{"space": space}, _expires("$gt", self._clock())]},
                include=["metadatas", "distances"],
            )
            ids, metadatas, distances = found["ids"][0], found["metadatas"] or [[]], found["distances"] or [[]]
            entries = (read_entry(*each) for each in zip(ids, metadatas[0], strict=True))
            # Chroma's cosine distance is 1 - cosine.
            pairs = zip(entries, distances[0], strict=True)
            return [(entry, min(1.0 - distance, 1.0)) for entry, distance in pairs if entry is not None]

        found = await self._link.do(lambda client: self._with(client, collection, _VECTORS, query), self._look_up_s)
        return [each for each in found or () if each[0].space == space]

    async def put(self, collection: str, entry: CacheEntry) -> None:
        """Keep an entry, in place of the one that has its id."""
        place: Any = place_without_vector(entry.id) if entry.vector is None else read_vector(entry.vector)
        kind, other = (_NO_VECTORS, _VECTORS) if entry.vector is None else (_VECTORS, _NO_VECTORS)

        async def upsert(there: "AsyncCollection") -> bool:
            await there.upsert(ids=[entry.id], embeddings=[place], metadatas=[write_metadata(entry)])
            return True

        async def work(client: "AsyncFastAPI") -> None:
            if not await self._with(client, collection, kind, upsert, make=True):
                raise CacheUnavailable("Chroma's collection is removed again and again.")
            await self._with(client, collection, other, _delete([entry.id]))

        await self._link.do(work, _WRITE_S)

    async def delete(self, collection: str, ids: Sequence[str]) -> None:
        """Keep these no longer."""
        if ids:
            await self._link.do(lambda client: self._both(client, collection, _delete(ids)), _ADMIN_S)

    async def clear(self, collection: str) -> None:
        """Keep none of its entries."""

        async def work(client: "AsyncFastAPI") -> None:
            if await self._forget(client, collection):
                await self._find(client, collection, _VECTORS, make=True)

        await self._link.do(work, _ADMIN_S)

    async def drop(self, collection: str) -> None:
        """Forget the collection itself."""
        await self._link.do(lambda client: self._forget(client, collection), _ADMIN_S)

    async def count(self, collection: str) -> int:
        """How many entries it has."""

        async def count(there: "AsyncCollection") -> int:
            expired = await there.get(where=_expires("$lte", self._clock()), include=[])
            return await there.count() - len(expired["ids"])

        return sum(await self._link.do(lambda client: self._both(client, collection, count), _ADMIN_S))

    async def page(
        self, collection: str, *, text: str = "", after: str | None = None, most: int = 50, vectors: bool = False
    ) -> CachePage:
        """Entries to be looked at, the newest first: those with vectors, then the others. It may go through all of them."""
        kinds = (_VECTORS,) if vectors else (_VECTORS, _NO_VECTORS)
        listing = Listing(text, most, self._clock(), vectors=vectors)
        first, above = read_place(after, len(kinds))

        async def work(client: "AsyncFastAPI") -> CachePage:
            for number, kind in enumerate(kinds[first:], first):
                bound = above if number == first else None
                left = await self._with(client, collection, kind, lambda there, bound=bound: listing.read(there, bound))  # type: ignore[misc]
                if listing.is_full:
                    more = left or number + 1 < len(kinds)
                    return CachePage(listing.entries, write_place(number, left or 0) if more else None)
            return CachePage(listing.entries, None)

        return await self._link.do(work, _ADMIN_S)

    async def collections(self) -> Sequence[str]:
        """All of them, sorted."""
        return sorted(await self._link.do(self._names, _ADMIN_S))

    async def sweep(self, now: float) -> int:
        """Remove what has expired at a moment, in seconds since the epoch; how many entries that were."""

        async def sweep(there: "AsyncCollection") -> int:
            deleted = await there.delete(where=_expires("$lte", now))
            return int(deleted["deleted"])

        async def work(client: "AsyncFastAPI") -> int:
            return sum([sum(await self._both(client, name, sweep)) for name in await self._names(client)])

        return await self._link.do(work, _ADMIN_S)

    async def aclose(self) -> None:
        """Close the connections and end the thread."""
        await self._link.aclose()

    async def _both(
        self, client: "AsyncFastAPI", collection: str, work: "Callable[[AsyncCollection], Awaitable[T]]"
    ) -> list[T]:
        """What `work` gives for each of the two that is there."""
        given = await asyncio.gather(*(self._with(client, collection, kind, work) for kind in (_VECTORS, _NO_VECTORS)))
        return [each for each in given if each is not None]

    async def _with(
        self,
        client: "AsyncFastAPI",
        collection: str,
        kind: str,
        work: "Callable[[AsyncCollection], Awaitable[T]]",
        *,
        make: bool = False,
    ) -> T | None:
        """What `work` gives; None where there is no such collection."""
        from chromadb.errors import NotFoundError

        for _ in range(3):
            there = await self._find(client, collection, kind, make=make)
            if there is None:
                return None
            try:
                return await work(there)
            except NotFoundError:  # another process has removed it, and perhaps made it anew
                self._known.pop(there.name, None)
        return None

    async def _find(
        self, client: "AsyncFastAPI", collection: str, kind: str, *, make: bool
    ) -> "AsyncCollection | None":
        from chromadb.api.models.AsyncCollection import AsyncCollection
        from chromadb.errors import NotFoundError

        name = self._name(collection, kind)
        known = self._known.get(name)
        if known is not None:
            return known
        try:
            if make:
                model = await client.create_collection(
                    name,
                    configuration=_COSINE,  # type: ignore[arg-type] # a plain dict does
                    metadata={_NAME: collection},
                    get_or_create=True,
                    tenant=self._server.tenant,
                    database=self._server.database,
                )
            else:
                model = await client.get_collection(name, tenant=self._server.tenant, database=self._server.database)
        except NotFoundError:
            return None
        _check(name, model.configuration_json)
        self._known[name] = AsyncCollection(client=client, model=model, embedding_function=None)
        return self._known[name]

    async def _forget(self, client: "AsyncFastAPI", collection: str) -> bool:
        """Whether there was anything of it."""
        from chromadb.errors import NotFoundError

        was_there = False
        for name in (self._name(collection, kind) for kind in (_VECTORS, _NO_VECTORS)):
            self._known.pop(name, None)
            try:
                await client.delete_collection(name, tenant=self._server.tenant, database=self._server.database)
                was_there = True
            except NotFoundError:
                pass
        return was_there

    async def _names(self, client: "AsyncFastAPI") -> set[str]:
        names: set[str] = set()
        offset = 0
        while models := await client.list_collections(
            _PAGE, offset, tenant=self._server.tenant, database=self._server.database
        ):
            offset += len(models)
            ours = (each.metadata for each in models if each.name.startswith(self._prefix))
            names.update(metadata[_NAME] for metadata in ours if metadata and _NAME in metadata)
        return names

    def _name(self, collection: str, kind: str) -> str:
        """There: some servers take no more than 63 letters, digits, dots, dashes and underscores."""
        return f"{self._prefix}{sha256(collection.encode()).hexdigest()[:24]}{kind}"


def _expires(operator: str, moment: float) -> "Where":
    bound: Any = {operator: moment}
    return {"expires_at": bound}


def _delete(ids: Sequence[str]) -> "Callable[[AsyncCollection], Awaitable[object]]":
    return lambda there: there.delete(ids=list(ids))


def _read_all(ids: Sequence[str], metadatas: Sequence[Mapping[str, Any]]) -> list[CacheEntry]:
    entries = (read_entry(*each) for each in zip(ids, metadatas, strict=True))
    return [entry for entry in entries if entry is not None]


def _check(name: str, configuration: Mapping[str, Any]) -> None:
    index = configuration.get("hnsw") or configuration.get("spann") or {}
    if index.get("space") != "cosine":
        raise CacheUnavailable(
            f"Chroma's collection {name!r} compares by {index.get('space')!r}, not by cosine; remove it, or set another"
            " CHROMA_COLLECTION_PREFIX."
        )
