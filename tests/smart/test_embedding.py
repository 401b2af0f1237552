"""That the embedder which runs here is let go of when the gateway stops."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import CacheUnavailable
from app.embedders.local import LocalEmbedder, open_local
from app.smart import embedding
from app.smart.caches import Caches
from app.smart.embedding import Embedders
from app.store.db import Database
from app.store.vectors.embedded import EmbeddedCacheStore
from tests.smart import Shelf

pytest.importorskip("onnxruntime")
NOBODY: Any = None


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("embedder")]


async def _end(threads: list[threading.Thread]) -> None:
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
    assert not any(thread.is_alive() for thread in threads)


async def test_thread_of_the_embedder_ends_with_the_caches(tmp_path: Path, database: Database) -> None:
    embedders = Embedders(NOBODY, open_local)
    stats: Any = _Stats()
    store = EmbeddedCacheStore(tmp_path / "vectors.db")
    caches = Caches(database, store, Shelf(), NOBODY, embedders, NOBODY, stats, NOBODY)
    await embedders.local(["bread"])
    threads = _threads()
    assert threads

    await caches.aclose()

    await _end(threads)
    with pytest.raises(CacheUnavailable, match="closed"):
        await embedders.local(["milk"])


async def test_embedder_that_is_being_loaded_is_closed_when_it_is_there() -> None:
    begun = asyncio.Event()

    async def opened(folder: Path | None) -> LocalEmbedder:
        begun.set()
        return await open_local(folder)

    embedders = Embedders(NOBODY, opened)
    wanting = asyncio.create_task(embedders.local(["bread"]))
    await begun.wait()

    await embedders.aclose()

    await _end(_threads())
    await asyncio.wait([wanting])
    assert isinstance(wanting.exception(), CacheUnavailable | None)


async def test_stop_does_not_wait_for_an_embedder_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "LOADED_S", 0.01)
    embedders = Embedders(NOBODY, lambda _folder: asyncio.Event().wait())  # type: ignore[arg-type,return-value]
    waiting = asyncio.create_task(embedders.local(["Hi"]))
    await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await embedders.aclose()

    assert not waiting.done()
    waiting.cancel()


async def test_embedder_that_nobody_wanted_is_not_loaded_to_be_closed() -> None:
    async def opened(_folder: Path | None) -> LocalEmbedder:
        raise AssertionError("it was loaded")

    await Embedders(NOBODY, opened).aclose()


class _Stats:
    def counter(self, _kind: str) -> Callable[..., None]:
        return lambda *_: None
