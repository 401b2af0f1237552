"""What a worker process does in tests: it admits calls, or counts failures, and says how many."""

import asyncio
import os
import secrets
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import NoReturn

from app.auth.guard import failure_limiter
from app.auth.quota import Quota
from app.core.errors import QuotaExceeded
from app.core.principal import Principal
from app.store.db import open_database

_TIMEOUT_S = 60


def admit_calls(barrier: Barrier, url: str, limit: int, attempts: int, at_once: int, given_back: int) -> int:
    """Try `attempts` calls, `at_once` of them at any time, and give some units back; how many were kept.

    It lives on, as a server does, until all processes are done.
    """

    async def work() -> int:
        database = open_database(url)
        quota = Quota(database, secrets.token_hex(8))
        running = asyncio.create_task(quota.run())
        await asyncio.to_thread(barrier.wait, _TIMEOUT_S)
        left, admitted = attempts, 0
        to_give_back = given_back

        async def call_on_and_on() -> None:
            nonlocal left, admitted, to_give_back
            while left:
                left -= 1
                try:
                    admission = await quota.admit(_principal(limit))
                except QuotaExceeded:
                    continue
                await asyncio.sleep(0)
                if to_give_back:
                    to_give_back -= 1
                    quota.give_back(admission)
                else:
                    admitted += 1

        await asyncio.gather(*(call_on_and_on() for _ in range(at_once)))
        await asyncio.to_thread(barrier.wait, _TIMEOUT_S)
        running.cancel()
        await quota.aclose()
        await database.aclose()
        return admitted

    return asyncio.run(work())


def count_failures(barrier: Barrier, storage_url: str, failures: int) -> int:
    """Let an address fail so often in each process, and once more when all have; for how long it is blocked then."""

    async def work() -> int:
        limiter = failure_limiter(storage_url)
        for _ in range(failures):
            await limiter.note("192.0.2.7")
        await asyncio.to_thread(barrier.wait, _TIMEOUT_S)
        await limiter.note("192.0.2.7")
        return limiter.seconds_blocked("192.0.2.7")

    return asyncio.run(work())


def hold_stock(pipe: Connection, url: str, limit: int) -> NoReturn:
    """Admit one call from a whole block, say so, and go on living without giving anything back but on a recall."""

    async def work() -> None:
        quota = Quota(open_database(url), secrets.token_hex(8))
        await quota.admit(_principal(limit))
        await quota.report()
        pipe.send(os.getpid())
        await quota.run()

    asyncio.run(work())
    raise AssertionError("it runs for ever")


def _principal(limit: int) -> Principal:
    return Principal(token_id="AAAAAAAA", username="ann", daily_limit=limit)
