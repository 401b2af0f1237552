"""Vectors of texts by a model that runs here, in a thread of its own."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.core.embedding import EmbedderUnavailable, TextVector
from app.embedders.files import find_model
from app.embedders.model import Model, load_model

Waiting = tuple[str, "asyncio.Future[TextVector]"]


class LocalEmbedder:
    """An `Embedder` on ONNX Runtime; made by `open_local`, and closed by who made it.

    Texts that are waiting at the same time go through the model together; the event loop only hands them over.
    """

    def __init__(self, model: Model, pool: ThreadPoolExecutor) -> None:
        self.name = model.name
        self._model = model
        self._pool = pool
        self._waiting: list[Waiting] = []
        self._running = False
        self._closed = False

    async def embed(self, texts: Sequence[str]) -> Sequence[TextVector]:
        if self._closed:
            raise EmbedderUnavailable("the local embedder is closed")
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[TextVector]] = [loop.create_future() for _ in texts]
        self._waiting.extend(zip(texts, futures, strict=True))
        if not self._running:
            self._start(loop)
        return await asyncio.gather(*futures)

    def close(self) -> None:
        """End the thread after the batch that it is at; who waits for a later one is told so."""
        self._closed = True
        for _, future in self._waiting:
            _fail(future, EmbedderUnavailable("the local embedder is closed"))
        self._waiting.clear()
        self._pool.shutdown(wait=False)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over what waits, and again what has come meanwhile. Only the loop looks at what waits."""
        batch = [(text, future) for text, future in self._waiting if not future.done()]
        self._waiting.clear()
        self._running = bool(batch)
        if batch:
            self._pool.submit(self._work, loop, batch)

    def _work(self, loop: asyncio.AbstractEventLoop, batch: Sequence[Waiting]) -> None:
        for places, outcome in self._model.vectors([text for text, _ in batch]):
            loop.call_soon_threadsafe(_settle, [batch[place][1] for place in places], outcome)
        loop.call_soon_threadsafe(self._start, loop)


def _settle(
    futures: Sequence["asyncio.Future[TextVector]"], outcome: Sequence[TextVector] | EmbedderUnavailable
) -> None:
    if isinstance(outcome, EmbedderUnavailable):
        for future in futures:
            _fail(future, outcome)
        return
    for future, vector in zip(futures, outcome, strict=True):
        if not future.done():
            future.set_result(vector)


def _fail(future: "asyncio.Future[TextVector]", error: EmbedderUnavailable) -> None:
    if not future.done():
        future.set_exception(error)


async def open_local(folder: Path | None = None, threads: int = 1) -> LocalEmbedder:
    """Load the model from `folder`, or the one of the extra `local`, without holding up the event loop.

    Args:
        threads: that one batch is spread over.

    Raises:
        EmbedderUnavailable: it is not installed, or cannot be loaded.
    """
    files = find_model(folder)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedder")
    try:
        model = await asyncio.get_running_loop().run_in_executor(pool, load_model, files, threads)
    except BaseException:
        pool.shutdown(wait=False)
        raise
    return LocalEmbedder(model, pool)
