"""A cache's embedder for commands: the one that runs here, or a provider's, whose calls are not recorded."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from app.core.call import Call
from app.core.embedding import EmbedderUnavailable, TextVector
from app.core.errors import RelayError
from app.core.ports import Embedder, PriceList
from app.core.principal import Principal
from app.core.record import CallRecord
from app.core.smart import Cache
from app.dialects.conversation import read_question_answer, write_question
from app.pipeline import build_sender
from app.pipeline.asking import Asker
from app.pipeline.board import Board
from app.providers.registry import Registry
from app.smart.embedding import LOCAL, pack

_WAIT_S = 60.0


@asynccontextmanager
async def embedder_of(
    cache: Cache, registry: Registry, prices: PriceList, local_dir: Path | None
) -> AsyncIterator[Embedder]:
    """The embedder of a cache, for the length of the block.

    Raises:
        EmbedderUnavailable: it has none, or the one that runs here is not installed.
    """
    if cache.embedder is None:
        raise EmbedderUnavailable(f"the cache {cache.name!r} has none: it finds the same words alone")
    if cache.embedder != LOCAL:
        sender = build_sender(registry, _NoRecorder(), Board(), prices)
        yield _ByProvider(Asker(registry, sender, write_question, read_question_answer), cache.embedder)
        return
    from app.embedders.local import open_local

    embedder = await open_local(local_dir)
    try:
        yield embedder
    finally:
        embedder.close()


class _ByProvider:
    def __init__(self, asker: Asker, model: str) -> None:
        self.name = model
        self._asker = asker

    async def embed(self, texts: Sequence[str]) -> Sequence[TextVector]:
        now = time.monotonic()
        parent = Call(
            id="judged",
            principal=Principal("", "", 0),
            surface="embeddings",
            dialect="openai-embeddings",
            name=self.name,
            body=b"",
            payload={},
            streamed=False,
            wants_usage=False,
            started_at=now,
            received_at=time.time(),
            client="",
        )
        try:
            vectors = await self._asker.embed(parent, self.name, texts, timeout_s=_WAIT_S)
        except RelayError as exc:
            raise EmbedderUnavailable(exc.message) from exc
        return [TextVector(pack(vector)) for vector in vectors]


class _NoRecorder:
    def record(self, *records: CallRecord) -> None:
        """What a command asks is in no log of calls."""
