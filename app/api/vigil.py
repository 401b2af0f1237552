"""Looks after calls while they wait: notices a client that leaves, and keeps a silent stream alive.

One timer goes round all live calls. A timer and a listening task for each would cost as much as the rest of the pump, and
most calls end before either has anything to do.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from app.core.call import Call
from app.core.reply import CLIENT_LEFT, STOPPED, Reply

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Ping = Callable[[], Awaitable[None]]

# A call is listened to from the second round on, so that a client that leaves is noticed within 100 ms, and most calls
# end before anybody has to listen.
ROUND_S = 0.03

# What the network tells of a client that left takes so many turns of the event loop from the socket to the task that serves it:
# read, the connection's end told, the listener woken, the task cancelled.
_TURNS = 5


class Rounds:
    """All vigils of one event loop.

    Args:
        ping_s: how long a stream may be silent before a ping goes out.
    """

    def __init__(self, ping_s: float) -> None:
        self._ping_s = ping_s
        self._vigils: set[Vigil] = set()
        self._is_going = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        """How many calls are live."""
        return len(self._vigils)

    def __iter__(self) -> "Iterator[Vigil]":
        """Those of the calls that are live now."""
        return iter(tuple(self._vigils))

    def begin(self, call: Call, receive: Receive, ping: Ping | None) -> "Vigil":
        """Look after `call`, which the current task serves, until `Vigil.end`; with `ping` where it is a stream."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a call is served outside of any task")
        vigil = Vigil(self._vigils, call, task, receive, ping)
        self._vigils.add(vigil)
        if not self._is_going:
            self._is_going = True
            loop.call_later(ROUND_S, self._go)
        return vigil

    def _go(self) -> None:
        now = time.monotonic()
        for vigil in self._vigils:
            vigil.look(now, self._ping_s)
        self._is_going = bool(self._vigils)
        if self._is_going:
            asyncio.get_running_loop().call_later(ROUND_S, self._go)


class Vigil:
    """What is kept of one live call.

    Attributes:
        call: as it came.
        reply: to it, once that has begun.
        task: serves the call; it is cancelled with `CLIENT_LEFT` when the client leaves, and with `STOPPED` by `stop`.
        client_left, stopped: that has happened.
        silent: set to False by whoever writes to the client.
        ping: a ping on its way; whoever writes settles it first.
    """

    __slots__ = (
        "_listener",
        "_live",
        "_ping",
        "_receive",
        "_seen",
        "_silent_since",
        "call",
        "client_left",
        "ping",
        "reply",
        "silent",
        "stopped",
        "task",
    )

    def __init__(
        self, live: "set[Vigil]", call: Call, task: asyncio.Task[Any], receive: Receive, ping: Ping | None
    ) -> None:
        self.call = call
        self.reply: Reply | None = None
        self.task = task
        self.client_left = False
        self.stopped = False
        self.silent = False
        self.ping: asyncio.Task[None] | None = None
        self._live = live
        self._receive = receive
        self._ping = ping
        self._listener: asyncio.Task[None] | None = None
        self._seen = False
        self._silent_since = 0.0

    def look(self, now: float, ping_s: float) -> None:
        """Begin to listen for the client's leaving; ping where the stream has been silent for `ping_s`."""
        if not self._seen:
            self._seen = True
        elif self._listener is None:
            self._listener = self.task.get_loop().create_task(self._listen())
        if not self.silent:
            self.silent, self._silent_since = True, now
        elif self._ping is not None and self.ping is None and now - self._silent_since >= ping_s:
            self.ping = self.task.get_loop().create_task(self._send_ping(self._ping))

    def stop(self) -> bool:
        """End the call at once, and let its client be told; False where it is at its end anyhow."""
        if self.stopped or self.client_left or (self.reply is not None and self.reply.is_told):
            return False
        self.stopped = True
        self.task.cancel(STOPPED)
        return True

    async def settle(self) -> None:
        """Wait for a ping that is on its way, so that two writers never mix."""
        if self.ping is not None:
            await self.ping

    async def look_now(self) -> None:
        """Go on only where the client has not left, as far as that is known; no ping goes out any more."""
        self._ping = None
        await self.settle()
        if self._listener is None:
            self._listener = self.task.get_loop().create_task(self._listen())
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def end(self) -> None:
        """Look no longer."""
        self._live.discard(self)
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None  # its end holds this vigil; holding it too would leave both to the garbage collector

    async def _listen(self) -> None:
        message = await self._receive()
        while message["type"] != "http.disconnect":
            message = await self._receive()
        self.client_left = True
        self.task.cancel(CLIENT_LEFT)

    async def _send_ping(self, ping: Ping) -> None:
        try:
            await ping()
        finally:
            self.silent = False
            self.ping = None
