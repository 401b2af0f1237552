"""What lies in the database of a gateway, asked for past the gateway."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from app.store.db import Database, open_database

T = TypeVar("T")


def in_database(url: str, work: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """What `work` gives of it; the test may have a loop of its own."""

    async def do() -> T:
        database = open_database(url)
        try:
            return await work(database)
        finally:
            await database.aclose()

    with ThreadPoolExecutor(1) as outside_of_any_loop:
        return outside_of_any_loop.submit(asyncio.run, do()).result()
