"""The tests that ask for `store` run on both stores."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app.core.ports import CacheStore
from app.store.vectors.chroma import ChromaCacheStore
from app.store.vectors.chroma_link import ChromaServer
from app.store.vectors.embedded import EmbeddedCacheStore
from tests.chroma_server import Chroma, running_chroma
from tests.store.vectors.entries import Clock

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chroma]:
    """A server for all tests of this process; each has its own prefix there."""
    with running_chroma(tmp_path_factory.mktemp("chroma")) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["embedded", "chroma"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Callable[[], CacheStore]:
    """Makes stores of the same place, as several workers have them."""
    if request.param == "embedded":
        return lambda: EmbeddedCacheStore(tmp_path / "vectors.db", clock=clock)
    server: Chroma = request.getfixturevalue("chroma")
    prefix = f"test{next(_NUMBERS)}_"
    # The machine of the tests may be busy.
    return lambda: ChromaCacheStore(ChromaServer(server.url), prefix, look_up_s=20, clock=clock)


@pytest.fixture
async def open_store(make_store: Callable[[], CacheStore]) -> AsyncIterator[Callable[[], CacheStore]]:
    """The same; all are closed in the end."""
    opened: list[CacheStore] = []

    def open_one() -> CacheStore:
        opened.append(make_store())
        return opened[-1]

    yield open_one
    for store in opened:
        await store.aclose()


@pytest.fixture
def store(open_store: Callable[[], CacheStore]) -> CacheStore:
    return open_store()
