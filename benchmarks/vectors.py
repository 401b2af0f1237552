"""What looking up in the embedded store of semantic caches costs: `python -m benchmarks.vectors [ENTRIES…]`.

Prints, for each number of entries in one space: p50 and p99 of a look-up as the event loop sees it, of an exact one, how long
the loop was blocked at most meanwhile, and how much of that it worked itself (and while nothing was done, which is the machine's
own noise), the CPU time of a look-up, the first look-up of a process, and how often the true nearest was among what was found. At last the same with the
local embedder, as a cache's stage does it: a question is put into its canonical form, embedded, looked up, and held against the
eight nearest.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from app.core.answers import write_completion
from app.core.book import Entry
from app.core.cached import CacheEntry
from app.core.call import Call
from app.core.chat import ChatRequest, Text
from app.core.events import Completion
from app.core.smart import Cache
from app.core.usage import Usage
from app.embedders.local import open_local
from app.pipeline.caching.finding import Finder, Lookup
from app.pipeline.caching.key import Key
from app.smart.caches import Texts
from app.store.vectors.embedded import EmbeddedCacheStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import numpy as np
    from numpy.typing import NDArray

ENTRIES = (1_000, 10_000, 100_000)

_DIMENSIONS = 384  # of all-MiniLM-L6-v2
_LOOK_UPS = 500
_NEAR = 0.9
_TICK_S = 0.001
_ANSWER = write_completion(Completion(None, None, None, (Text("word " * 400),), (), "stop", Usage(output=400)))
_COLLECTION = "c1/local"
_QUESTION = "How do I find out which of the {} users in my table have not logged in for more than a month?"
# All that is near is compared, however little.
_CACHE = Cache(name="bench", target_model="acme/gpt-x", similarity_threshold=0)
_ENTRY = Entry("c1", _CACHE)
_CALL = cast("Call", None)  # nothing here asks anybody for it


def make_vectors(count: int, shape: str) -> "NDArray[np.float32]":
    """Vectors as embeddings lie: in topics of many sizes, all a little to one side.

    Args:
        shape: `topics`; or `template`, where all are variants of a few texts and lie close together.
    """
    import numpy as np

    random = np.random.default_rng(count)
    topics = 20 if shape == "template" else max(count // 50, 1)
    spread = (0.3, 0.6) if shape == "template" else (0.3, 1.2)
    common = _unit(random.standard_normal(_DIMENSIONS))
    centres = _unit(_unit(random.standard_normal((topics, _DIMENSIONS))) + 0.5 * common)
    chosen = np.minimum(random.exponential(topics / 4, count).astype(int), topics - 1)
    away = random.uniform(*spread, count)[:, None]
    return _unit(centres[chosen] + away * _unit(random.standard_normal((count, _DIMENSIONS)))).astype("<f4")


def make_wanted(vectors: "NDArray[np.float32]", count: int) -> "NDArray[np.float32]":
    """Paraphrases of some of them."""
    import numpy as np

    random = np.random.default_rng(1)
    chosen = vectors[random.integers(0, len(vectors), count)]
    away = random.uniform(0.05, 0.45, count)[:, None]
    return _unit(chosen + away * _unit(random.standard_normal((count, _DIMENSIONS)))).astype("<f4")


def _unit(vectors: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np

    lengths: NDArray[np.float64] = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / lengths


def make_entry(number: int, vector: bytes) -> CacheEntry:
    """One in the only space."""
    question = _QUESTION.format(number)
    return CacheEntry(f"{number:064x}", "s" * 64, question, _ANSWER, vector, time.time(), None, output_tokens=400)


async def measure(count: int, shape: str, folder: Path) -> None:
    """Print the figures of one store."""
    path = folder / f"{count}-{shape}.db"
    vectors = make_vectors(count, shape)
    put_s = await _fill(path, vectors)
    store = EmbeddedCacheStore(path)
    await store.warm()
    wanted = make_wanted(vectors, _LOOK_UPS)
    async with _watched() as blocks:
        started = time.perf_counter()
        await store.nearest(_COLLECTION, "s" * 64, wanted[0].tobytes())
        first_s = time.perf_counter() - started
    first_blocks = blocks
    found: list[str] = []

    async def look_up(each: int) -> None:
        result = await store.nearest(_COLLECTION, "s" * 64, wanted[each].tobytes())
        found.append(result[0][0].id)

    async def get(each: int) -> None:
        await store.get(_COLLECTION, f"{each % count:064x}")

    embedder = await open_local()

    async def embed(_call: Call, _entry: Entry, texts: Sequence[str]) -> Sequence[bytes | None]:
        return [vector.values for vector in await embedder.embed(texts)]

    finder = Finder(store, embed, Texts(), _Silent(), _nobody, lambda _id, _cache: _COLLECTION, time.time)

    async def ask(each: int) -> None:
        key = Key(f"{count + each:064x}", "s" * 64, _QUESTION.format(count + each))
        await finder.find(_CALL, Lookup(_ENTRY, _CACHE, key, ChatRequest(()), _COLLECTION))

    await ask(0)
    async with _watched() as idle:
        await asyncio.sleep(2)
    async with _watched() as blocks:
        started = time.process_time()
        semantic = await _time(look_up)
        cpu_s = (time.process_time() - started) / _LOOK_UPS
        exact = await _time(get)
    async with _watched() as asking:
        asked = await _time(ask)
    embedder.close()
    await store.aclose()
    nearest = [(int(row.argmax()), float(row.max())) for row in wanted @ vectors.T]
    near = [each for each, (_, cosine) in enumerate(nearest) if cosine >= _NEAR]
    hits = sum(found[each] == f"{nearest[each][0]:064x}" for each in near)
    print(
        f"{count:>7} {shape:<9} nearest p50 {semantic[0]:6.2f} p99 {semantic[1]:6.2f}   exact p50 {exact[0]:5.2f} p99 {exact[1]:5.2f}"
        f"   CPU {cpu_s * 1e3:5.2f}"
        f"   loop blocked {blocks} (idle {idle})   first {first_s * 1e3:6.1f} (blocked {first_blocks})"
        f"   put {put_s * 1e3:5.2f} ms   nearest of {len(near)} with cosine >= {_NEAR} found: {hits / max(len(near), 1):.2%}"
        f"   with the local embedder p50 {asked[0]:6.2f} p99 {asked[1]:6.2f} (blocked {asking})"
    )


class _Silent:
    """Nobody has said anything of any pair."""

    def is_apart(self, _cache_id: str, _one: str, _other: str) -> bool:
        return False

    def may_answer(self, _entry: Entry, _stored: str, _cosine: float) -> bool:
        return True


async def _nobody(_call: Call, _entry: Entry, _asked: str, _stored: str) -> bool:
    return False


async def _fill(path: Path, vectors: "NDArray[np.float32]") -> float:
    """Seconds for one put, of those that are waited for."""
    store = EmbeddedCacheStore(path)
    waiting: list[Awaitable[None]] = []
    for number, vector in enumerate(vectors):
        waiting.append(store.put(_COLLECTION, make_entry(number, vector.tobytes())))
        if len(waiting) == 200:
            await asyncio.gather(*waiting)
            waiting.clear()
    await asyncio.gather(*waiting)
    started = time.perf_counter()
    for number in range(50):
        await store.put(_COLLECTION, make_entry(number, vectors[number].tobytes()))
    put_s = (time.perf_counter() - started) / 50
    await store.aclose()
    return put_s


async def _time(do: Callable[[int], Awaitable[None]]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    taken: list[float] = []
    for each in range(_LOOK_UPS):
        started = time.perf_counter()
        await do(each)
        taken.append((time.perf_counter() - started) * 1e3)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


@dataclass
class _Late:
    """Ticks of the loop: how late each was, and the CPU time that its thread took meanwhile; in seconds."""

    wall_s: list[float] = field(default_factory=lambda: [0.0])
    work_s: list[float] = field(default_factory=lambda: [0.0])

    def __str__(self) -> str:
        return f"{max(self.wall_s) * 1e3:.2f}, working {max(self.work_s) * 1e3:.2f}"


@asynccontextmanager
async def _watched() -> "AsyncIterator[_Late]":
    """How much later than it asked for a task of the loop came on, each time, and how much of that the loop worked itself."""
    late = _Late()

    async def watch() -> None:
        while True:
            before, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_TICK_S)
            late.wall_s.append(time.perf_counter() - before - _TICK_S)
            late.work_s.append(time.thread_time() - worked)

    task = asyncio.create_task(watch())
    try:
        yield late
    finally:
        task.cancel()


def main(arguments: Sequence[str]) -> None:
    """Measure each number of entries, as topics and as templates."""
    with tempfile.TemporaryDirectory() as folder:
        for count in [int(each) for each in arguments] or ENTRIES:
            for shape in ("topics", "template"):
                asyncio.run(measure(count, shape, Path(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
