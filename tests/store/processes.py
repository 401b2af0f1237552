"""Real processes for tests, forked from one that has imported what they need."""

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from app.auth.tokens import ensure_first_token
from app.store.db import open_database
from app.store.schema import upgrade

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.store.processes", "tests.auth.workers"])
_TIMEOUT_S = 60


def run_together(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What `work(barrier, *arguments)` gives in each of as many processes. The barrier is for all of them."""
    barrier = _CONTEXT.Barrier(len(arguments))
    started = [start_process(_answer, (work, barrier, *each)) for each in arguments]
    try:
        return [_receive(process, pipe) for process, pipe in started]
    finally:
        for process, _ in started:
            process.kill()
            process.join()


def start_process(work: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[ForkServerProcess, Connection]:
    """A process that does `work(pipe, *arguments)`, and the other end of the pipe."""
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def start(barrier: Barrier, url: str) -> str | None:
    """What a worker does with the database at its start."""
    barrier.wait(_TIMEOUT_S)

    async def work() -> str | None:
        database = open_database(url)
        try:
            await upgrade(database)
            return await ensure_first_token(database)
        finally:
            await database.aclose()

    return asyncio.run(work())


def _answer(pipe: Connection, work: Callable[..., Any], *arguments: object) -> None:
    pipe.send(work(*arguments))
    pipe.close()


def _receive(process: ForkServerProcess, pipe: Connection) -> Any:
    with pipe:
        if not pipe.poll(_TIMEOUT_S):
            raise TimeoutError(f"process {process.pid} gave nothing")
        result = pipe.recv()
    process.join(_TIMEOUT_S)
    return result
