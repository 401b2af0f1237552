"""The processes that parse pages, from the side of those who ask: few, started when needed, ended when idle or slow."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import cast

from app.core.jsonio import dumps, loads
from app.web.parse import Read, Unreadable
from app.web.reader import LENGTHS, READY

MOST_READERS = 2
PARSE_S = 5.0
IDLE_S = 120.0
_START_S = 15.0


class Readers:
    """At most `most` processes, each of which parses one page at a time.

    Args:
        parse_s: after which a page is given up and its process killed, so that others have their turn.
        idle_s: after which an idle process ends.
    """

    def __init__(self, most: int = MOST_READERS, *, parse_s: float = PARSE_S, idle_s: float = IDLE_S) -> None:
        self._parse_s = parse_s
        self._idle_s = idle_s
        self._turns = asyncio.Semaphore(most)
        self._idle: list[Process] = []
        self._ending: set[asyncio.Task[int]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def read(self, kind: str, body: bytes, charset: str | None, url: str) -> Read:
        """The text of a page that is `html`, `text` or `pdf`; of `robots`, whether that list of rules `allows` the address.

        Raises:
            Unreadable: with words.
        """
        async with self._turns:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(self._parse_s):
                    answer = await _ask(process, dumps({"kind": kind, "charset": charset, "url": url}), body)
            except BaseException as exc:
                self._end(process)
                if isinstance(exc, TimeoutError):
                    raise Unreadable(f"takes longer than {self._parse_s:g} s to read") from None
                if isinstance(exc, OSError | EOFError):
                    raise Unreadable("cannot be parsed") from None
                raise
            self._keep(process)
        if "why" in answer:
            raise Unreadable(answer["why"])
        return answer

    async def aclose(self) -> None:
        """End all processes that are idle; those at work end with who asked them."""
        self._end_idle()
        await asyncio.gather(*self._ending)

    async def _start(self) -> Process:
        # Nothing of our environment, which has keys in it; and our path, for who runs from a checkout.
        environ = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.web.reader"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environ,
            start_new_session=True,  # a Ctrl-C is for us to treat
        )
        try:
            async with asyncio.timeout(_START_S):
                if await _stdout(process).read(1) != READY:
                    raise Unreadable("cannot be parsed: the process for that does not start")
        except BaseException as exc:
            self._end(process)
            if isinstance(exc, TimeoutError):
                raise Unreadable("cannot be parsed: the process for that does not start in time") from None
            raise
        return process

    def _keep(self, process: Process) -> None:
        self._idle.append(process)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._end_idle)

    def _end_idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._end(self._idle.pop())

    def _end(self, process: Process) -> None:
        cast("asyncio.StreamWriter", process.stdin).close()
        if process.returncode is None:
            process.kill()
        ending = asyncio.get_running_loop().create_task(process.wait())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


async def _ask(process: Process, about: bytes, body: bytes) -> Read:
    source, sink = _stdout(process), cast("asyncio.StreamWriter", process.stdin)
    sink.writelines((LENGTHS.pack(len(about), len(body)), about, body))
    await sink.drain()
    size, _ = LENGTHS.unpack(await source.readexactly(LENGTHS.size))
    answer: Read = loads(await source.readexactly(size))
    return answer


def _stdout(process: Process) -> asyncio.StreamReader:
    return cast("asyncio.StreamReader", process.stdout)
