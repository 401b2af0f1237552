"""Which embedder a cache has: the one that runs here, or any provider's model of embeddings."""

import asyncio
import math
import sys
from array import array
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from app.core.book import Entry
from app.core.call import Call
from app.core.embedding import EmbedderUnavailable
from app.core.errors import CacheUnavailable, UpstreamInvalid
from app.core.ports import Embedder
from app.core.smart import Cache
from app.pipeline.asking import Asker

LOCAL = "local"
LOADED_S = 1.0


class Opened(Embedder, Protocol):
    """An embedder that was opened here."""

    def close(self) -> None:
        """End what it runs in."""


class Embedders:
    """Gives vectors by the embedder of a cache; see `pipeline.caching.finding.Embed`.

    Args:
        open_local: loads the embedder that runs here, when it is first wanted.
        local_dir: where its model lies; None for the one that is installed.
    """

    def __init__(
        self, asker: Asker, open_local: Callable[[Path | None], Awaitable[Opened]], local_dir: Path | None = None
    ) -> None:
        self._asker = asker
        self._local_dir = local_dir
        self._open_local = open_local
        self._opening: asyncio.Task[Opened] | None = None

    async def __call__(self, call: Call, entry: Entry, texts: Sequence[str]) -> Sequence[bytes | None]:
        """The vector of each text; None for one of which the embedder cannot see all.

        Raises:
            RelayError: there are none to be had now.
        """
        cache = entry.model
        if not isinstance(cache, Cache) or cache.embedder is None:
            raise ValueError(f"{cache.name} has no embedder")
        if cache.embedder == LOCAL:
            return await self.local(texts)
        vectors = await self._asker.embed(call, cache.embedder, texts, timeout_s=cache.time_budget_ms / 1000)
        return [pack(vector) for vector in vectors]

    def collection_of(self, cache_id: str, cache: Cache) -> str:
        """Where a cache keeps its answers; see `pipeline.caching.finding.Collection`."""
        return collection_of(cache_id, cache, self._local_dir)

    async def local(self, texts: Sequence[str]) -> Sequence[bytes | None]:
        """The same by the embedder that runs here."""
        try:
            embedder = await self._local()
            vectors = await embedder.embed(texts)
        except EmbedderUnavailable as exc:
            raise CacheUnavailable(f"The local embedder cannot be used: {exc}.", code="embedder_unavailable") from exc
        return [None if vector.truncated else vector.values for vector in vectors]

    async def aclose(self) -> None:
        """Close the embedder that runs here, also where it is just being loaded; whoever wants one then is told so."""
        if (opening := self._opening) is None:
            return
        await asyncio.wait([opening], timeout=LOADED_S)
        opening.add_done_callback(_close)  # perhaps later: records wait behind this to be written

    async def _local(self) -> Opened:
        """Loaded once, also where several wait for it, and also where they wait no longer."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open_local(self._local_dir))
            self._opening.add_done_callback(self._forget_failure)
        return await asyncio.shield(self._opening)

    def _forget_failure(self, opening: "asyncio.Task[Opened]") -> None:
        if opening.cancelled() or opening.exception() is not None:
            self._opening = None


def _close(opening: "asyncio.Task[Opened]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def collection_of(cache_id: str, cache: Cache, local_dir: Path | None) -> str:
    """A name for what a cache keeps that is another one with another embedder, also where that runs here."""
    embedder = cache.embedder or "exact"
    if embedder == LOCAL and local_dir is not None:
        embedder += f"-{sha256(str(local_dir).encode()).hexdigest()[:8]}"
    return f"{cache_id}-{embedder}"


def pack(vector: Sequence[float]) -> bytes:
    """A vector as it is kept: float32, little-endian, of length 1.

    Raises:
        UpstreamInvalid: it has no length, or none that is a number.
    """
    length = math.sqrt(math.fsum(number * number for number in vector))
    if not length or not math.isfinite(length):
        raise UpstreamInvalid("The embedder gave a vector that has no direction.")
    packed = array("f", [number / length for number in vector])
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
