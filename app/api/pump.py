"""The one loop that moves a reply's bytes to the client.

It also notices a client that leaves, keeps a silent stream alive with comments, and tells every tap of the end once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.call import Call
from app.core.errors import RelayError
from app.core.ports import Handler
from app.core.reply import CLIENT_LEFT, End, Outcome, Reply
from app.dialects.framing import comment

log = logging.getLogger(__name__)

RawHeaders = list[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
WriteError = Callable[[RelayError], bytes]

# Most whole replies are out before; a client that leaves is still noticed within 100 ms.
WATCH_AFTER_S = 0.03

_PING = comment(b"ping")
_EVENT_STREAM = b"text/event-stream; charset=utf-8"
# nginx and its kin would collect a stream otherwise.
_STREAM_HEADERS: RawHeaders = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


@dataclass(frozen=True, slots=True)
class Voice:
    """How one dialect tells of an error: as the body of a response, and as an event of a stream."""

    write_error: WriteError
    write_error_event: WriteError


class Client:
    """The client's side of one exchange: what has gone out to it, in ASGI's messages."""

    __slots__ = ("_send", "headers", "started", "voice")

    def __init__(self, send: Send, voice: Voice, headers: RawHeaders) -> None:
        self._send = send
        self.voice = voice
        self.headers = headers
        self.started = False

    async def start_stream(self) -> None:
        """Send status 200 and the headers of a stream, once."""
        if not self.started:
            await self._start(200, [(b"content-type", _EVENT_STREAM), *_STREAM_HEADERS])

    async def write(self, data: bytes) -> None:
        """Send the next bytes of a stream."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """End a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def answer(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send a whole response."""
        await self._start(status, [(b"content-length", b"%d" % len(body)), *headers])
        await self._send({"type": "http.response.body", "body": body})

    async def fail(self, error: RelayError) -> None:
        """Tell of `error`: by its status, or where one is out already, by an event that ends the stream."""
        if self.started:
            await self.write(self.voice.write_error_event(error))
            await self.finish()
            return
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in error.headers]
        named = {name for name, _ in headers}
        self.headers = [header for header in self.headers if header[0] not in named]
        await self.answer(
            error.status, self.voice.write_error(error), [(b"content-type", b"application/json"), *headers]
        )

    async def _start(self, status: int, headers: RawHeaders) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers + self.headers})


async def pump(call: Call, handler: Handler, client: Client, receive: Receive, *, ping_s: float) -> RelayError | None:
    """Let `handler` answer `call`, and move the reply to `client`.

    Returns:
        The error with which the call failed before any reply, or None.
    """
    watch = _Watch(receive)
    pinger = _Pinger(client, ping_s) if call.streamed else None
    try:
        try:
            reply = await handler(call)
        except RelayError as error:
            await _settle(pinger)
            await client.fail(error)
            return error
        await _move(reply, client, pinger)
    except asyncio.CancelledError:
        if not watch.gone:
            raise
        watch.task.uncancel()
    finally:
        watch.stop()
        if pinger is not None:
            pinger.stop()
    return None


async def _move(reply: Reply, client: Client, pinger: "_Pinger | None") -> None:
    outcome, error = Outcome.CUT, None
    try:
        await _settle(pinger)
        for tap in reply.taps:
            tap.feed(reply.first)
        if pinger is None:
            await client.answer(reply.status, reply.first, [(b"content-type", reply.media_type.encode())])
        else:
            await client.start_stream()
            await client.write(reply.first)
            async for chunk in reply.rest:
                if pinger.task is not None:
                    await _settle(pinger)
                pinger.touched_at = time.monotonic()
                for tap in reply.taps:
                    tap.feed(chunk)
                await client.write(chunk)
            pinger.stop()
            await _settle(pinger)
            await client.finish()
        error = reply.read_failure()
        outcome = Outcome.OK if error is None else Outcome.ERROR
    except asyncio.CancelledError as exc:
        if exc.args == (CLIENT_LEFT,):
            outcome = Outcome.CLIENT_GONE
        raise
    except RelayError as exc:
        error = exc.message
        await _settle(pinger)
        await client.fail(exc)
    except Exception as exc:
        log.exception("a reply broke off by a fault of ours")
        outcome, error = Outcome.ERROR, type(exc).__name__
        await client.fail(RelayError("The gateway failed in the midst of the reply."))
    finally:
        end = End(outcome, reply.status, reply.read_usage(), time.monotonic(), error)
        for tap in reply.taps:
            tap.close(end)
        await reply.aclose()


class _Watch:
    """Waits beside the call for its client to leave, and then cancels the task that serves it."""

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call is served outside of any task")
        self.task = task
        self.gone = False
        self._receive = receive
        self._listener: asyncio.Task[None] | None = None
        self._timer = task.get_loop().call_later(WATCH_AFTER_S, self._start)

    def stop(self) -> None:
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _start(self) -> None:
        self._listener = self.task.get_loop().create_task(self._listen())

    async def _listen(self) -> None:
        message = await self._receive()
        while message["type"] != "http.disconnect":
            message = await self._receive()
        self.gone = True
        self.task.cancel(CLIENT_LEFT)


class _Pinger:
    """Sends a comment whenever nothing went out for a while; the first one brings the status with it.

    `task` is a ping on its way; whoever writes waits for it first.
    """

    def __init__(self, client: Client, every_s: float) -> None:
        self.touched_at = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        self._client = client
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(every_s, self._tick)

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        silent_s = time.monotonic() - self.touched_at
        if silent_s >= self._every_s and self.task is None:
            self.task = self._loop.create_task(self._ping())
            silent_s = 0.0
        self._timer = self._loop.call_later(max(self._every_s - silent_s, 0.001), self._tick)

    async def _ping(self) -> None:
        await self._client.start_stream()
        await self._client.write(_PING)
        self.touched_at = time.monotonic()
        self.task = None


async def _settle(pinger: _Pinger | None) -> None:
    """Wait for a ping that is on its way, so that two writers never mix."""
    if pinger is not None and pinger.task is not None:
        await pinger.task
