"""The connections to one origin: kept between requests, lent to one request at a time, never more than a limit."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx

from app.providers.http1.connection import Connection, Limits
from app.providers.http1.dial import Dial


class Origin(NamedTuple):
    """Where connections go; its text is for people."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Pool:
    """Lends connections to one origin: the one used last first, for it is the least likely to have been given up.

    Who finds all `max_connections` out waits in line; a connection or a slot that becomes free goes to the first in
    line, never to one who comes later.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        max_connections: int,
        max_idle: int,
        idle_s: float,
        tls: Callable[[], Awaitable[ssl.SSLContext]],
        dial: Dial,
    ) -> None:
        self._origin = origin
        self._name = str(origin)
        self._max_connections = max_connections
        self._max_idle = max_idle
        self._idle_s = idle_s
        self._tls = tls
        self._dial = dial
        self._closed = False
        self._slots_taken = 0  # connections, and those being made
        self._idle: list[Connection] = []
        self._sockets: set[Connection] = set()  # until the event loop has let go of them
        self._line: deque[asyncio.Future[Connection | None]] = deque()

    @property
    def is_empty(self) -> bool:
        return not self._slots_taken and not self._sockets

    async def take(self, limits: Limits, *, again: bool = False) -> Connection:
        """A connection for one request; who takes it calls `give_back` or closes it.

        `again` is for a request whose connection turned out to be stale: it is served first, and not with a
        connection that has been idle.

        Raises:
            httpx.PoolTimeout: none became free within the limit `pool`.
            httpx.ConnectError: no connection could be made, or the transport is closed.
            httpx.ConnectTimeout: none was made within the limit `connect`.
            Refused: `dial` makes none there.
        """
        while self._idle and not again:
            connection = self._idle.pop()
            if connection.closed:
                continue
            if not connection.is_spoiled():
                return connection
            connection.close()
        while self._slots_taken >= self._max_connections:
            handed = await self._queue(limits.get("pool"), first=again)
            if handed is None:
                break
            if not handed.closed:
                return handed
            again = True  # it was closed on the way here: do not go to the end of the line
        else:
            self._slots_taken += 1
        try:
            return await self._connect(limits.get("connect"))
        except BaseException:
            self._free_slot()
            raise

    def give_back(self, connection: Connection) -> None:
        """Take back a connection whose body was read; it is closed where it cannot be used again."""
        if not connection.rest(self._idle_s):
            connection.close()
        elif (first := self._first_in_line()) is not None:
            first.set_result(connection)
        elif len(self._idle) < self._max_idle:
            self._idle.append(connection)
        else:
            connection.close()

    async def aclose(self) -> None:
        """Close every connection, whatever it is doing, and turn away who waits for one."""
        self._closed = True
        while (first := self._first_in_line()) is not None:
            first.set_exception(self._no_longer())
        sockets = list(self._sockets)
        for connection in sockets:
            connection.close()
        for connection in sockets:
            await connection.lost

    async def _queue(self, seconds: float | None, *, first: bool) -> Connection | None:
        """Wait in line for a connection or, where the answer is None, the right to make one."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Connection | None] = loop.create_future()
        if first:
            self._line.appendleft(turn)
        else:
            self._line.append(turn)
        timer = loop.call_later(seconds, self._give_up, turn, seconds) if seconds is not None else None
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(turn)
            elif turn.exception() is None:  # our turn came in the moment we were cancelled
                self._pass_on(turn.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _give_up(self, turn: asyncio.Future[Connection | None], seconds: float) -> None:
        self._leave(turn)
        if not turn.done():
            turn.set_exception(
                httpx.PoolTimeout(
                    f"all {self._max_connections} connections to {self._name} were busy for {seconds:g} s (limit 'pool')"
                )
            )

    def _leave(self, turn: asyncio.Future[Connection | None]) -> None:
        with contextlib.suppress(ValueError):
            self._line.remove(turn)

    def _pass_on(self, handed: Connection | None) -> None:
        if handed is None:
            self._free_slot()
        else:
            self.give_back(handed)

    def _first_in_line(self) -> asyncio.Future[Connection | None] | None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                return turn
        return None

    def _free_slot(self) -> None:
        if (first := self._first_in_line()) is not None:
            first.set_result(None)
        else:
            self._slots_taken -= 1

    async def _connect(self, seconds: float | None) -> Connection:
        try:
            async with asyncio.timeout(seconds):
                connection = await self._open()
        except TimeoutError as exc:
            raise httpx.ConnectTimeout(f"no connection to {self._name} within {seconds} s (limit 'connect')") from exc
        except (OSError, ValueError) as exc:  # ValueError: a host name that cannot be one
            raise httpx.ConnectError(f"no connection to {self._name}: {exc}") from exc
        self._sockets.add(connection)
        connection.lost.add_done_callback(lambda _: self._sockets.discard(connection))
        if self._closed:
            connection.close()
            raise self._no_longer()
        connection.on_closed = self._closed_one
        return connection

    async def _open(self) -> Connection:
        origin = self._origin
        context = await self._tls() if origin.scheme == "https" else None
        sock = await self._dial(origin.host, origin.port)
        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(lambda: Connection(self._name), sock=sock)
        except BaseException:
            sock.close()
            raise
        try:
            if context is not None and not connection.closed:
                await connection.start_tls(context, origin.host)
            if connection.closed:
                raise ConnectionError("the server closed the connection at once")
        except BaseException:
            connection.close()
            raise
        return connection

    def _closed_one(self, connection: Connection) -> None:
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        self._free_slot()

    def _no_longer(self) -> httpx.ConnectError:
        return httpx.ConnectError(f"no connection to {self._name}: the transport is closed")
