"""What several processes do at once with the embedded store."""

import asyncio
import itertools
import os
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from app.store.vectors.embedded import EmbeddedCacheStore
from tests.store.vectors.entries import COLLECTION, SPACE, entry, turned


def put_and_look(barrier: Barrier, path: Path, worker: int, count: int) -> list[str]:
    """Put some entries, each followed by a look-up; what was wrong."""

    async def work() -> list[str]:
        store = EmbeddedCacheStore(path)
        wrong = []
        barrier.wait(60)
        for number in range(count):
            put = entry(f"{worker}/{number}", turned(worker * 40 + number / 10), expires_at=None)
            await store.put(COLLECTION, put)
            found = await store.nearest(COLLECTION, SPACE, turned(worker * 40 + number / 10), most=1)
            if [each.id for each, _ in found] != [put.id]:
                wrong.append(f"{put.question} was not found")
            if await store.get(COLLECTION, put.id) is None:
                wrong.append(f"{put.question} is not there")
        await store.aclose()
        return wrong

    return asyncio.run(work())


def put_for_ever(pipe: Connection, path: Path) -> None:
    """Put entries until killed; each is told when it is kept."""

    async def work() -> None:
        store = EmbeddedCacheStore(path)
        for number in itertools.count():
            put = entry(f"{os.getpid()}/{number}", turned(number / 10), expires_at=None)
            await store.put(COLLECTION, put)
            pipe.send(put.id)

    asyncio.run(work())
