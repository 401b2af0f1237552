"""The one loop that moves a reply's bytes to the client, and tells every tap of the end, once and before the last of them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.api.vigil import Rounds, Vigil
from app.core.call import Call
from app.core.errors import CallStopped, RelayError, Unavailable
from app.core.ports import Handler
from app.core.reply import CLIENT_LEFT, EVENT_STREAM_TYPE, STOPPED, End, Outcome, Reply
from app.dialects.framing import comment

log = logging.getLogger(__name__)

RawHeaders = list[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
WriteError = Callable[[RelayError], bytes]

SHUT_DOWN = "The gateway is shutting down."

# Of a reply of which it must be known that it was delivered: a fraction of what a server and a system hold back.
_PIECE_BYTES = 32 * 1024
_EVENT_STREAM = EVENT_STREAM_TYPE.encode()
# nginx and its kin would collect a stream otherwise.
_STREAM_HEADERS: RawHeaders = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


def _comment(_model: str) -> bytes:
    return comment(b"ping")


@dataclass(frozen=True, slots=True)
class Voice:
    """What the gateway itself says in one dialect.

    Attributes:
        write_error: an error as the body of a response.
        write_error_event: the same in the midst of a stream, and the end of that stream.
        stream_type: the media type of streams.
        write_ping: what keeps a silent stream alive and means nothing; by the name of the model that was asked for. None where
            a reply may be no stream, whatever was asked for.
    """

    write_error: WriteError
    write_error_event: WriteError
    stream_type: bytes = _EVENT_STREAM
    write_ping: Callable[[str], bytes] | None = _comment


class Client:
    """The client's side of one exchange: what has gone out to it, in ASGI's messages.

    Attributes:
        started: a status is out.
        begun: bytes of the reply are too, and not only a ping.
        whole: the length of the body is out too.
    """

    __slots__ = ("begun", "headers", "model", "send", "started", "voice", "whole")

    def __init__(self, send: Send, voice: Voice, headers: RawHeaders) -> None:
        self.model = ""
        self.send = send
        self.voice = voice
        self.headers = headers
        self.started = False
        self.begun = False
        self.whole = False

    async def start_stream(self, media_type: bytes | None = None) -> None:
        """Send status 200 and the headers of a stream, once."""
        if not self.started:
            await self._start(200, [(b"content-type", media_type or self.voice.stream_type), *_STREAM_HEADERS])

    async def write(self, data: bytes) -> None:
        """Send the next bytes of a stream."""
        await self.send({"type": "http.response.body", "body": data, "more_body": True})

    async def ping(self) -> None:
        """Send a ping, and before it the start of the stream, if nothing has gone out yet."""
        if (write_ping := self.voice.write_ping) is not None:
            await self.start_stream()
            await self.write(write_ping(self.model))

    async def start_whole(self, status: int, length: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Begin a response of so many bytes; `finish` sends them, and with them the head."""
        self.whole = True
        await self._start(status, [(b"content-length", b"%d" % length), *headers])

    async def finish(self, body: bytes = b"") -> None:
        """End a response; `body` is what is still to come."""
        await self.send({"type": "http.response.body", "body": body})

    async def answer(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Send a whole response."""
        await self.start_whole(status, len(body), headers)
        await self.finish(body)

    async def fail(self, error: RelayError) -> None:
        """Tell of `error`: by its status, or where one is out already, by an event that ends the stream.

        Into a body whose length is out nothing can be written: the server closes the connection where the rest is missing.
        """
        if self.started and self.whole:
            return
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
        try:
            await self.send({"type": "http.response.start", "status": status, "headers": headers + self.headers})
        except RuntimeError:  # the server refuses a header: nothing has gone out
            self.started = self.begun = self.whole = False
            raise


async def pump(call: Call, handler: Handler, client: Client, receive: Receive, rounds: Rounds) -> RelayError | None:
    """Let `handler` answer `call`, and move the reply to `client`.

    Returns:
        The error with which the call failed before anything of a reply went out, or None.
    """
    vigil = rounds.begin(call, receive, client.ping if call.streamed else None)
    failure: RelayError | None = None
    try:
        try:
            reply = await handler(call)
        except RelayError as error:
            failure = error  # also where the client leaves while it is told
            await vigil.settle()
            await client.fail(error)
            return error
        vigil.reply = reply
        return await _move(reply, client, vigil, streamed=call.streamed)
    except asyncio.CancelledError:
        if not (vigil.client_left or vigil.stopped):
            raise
        vigil.task.uncancel()
        if vigil.stopped and failure is None:
            failure = await _tell_of_stop(client, vigil)
    finally:
        vigil.end()
    return failure


async def _tell_of_stop(client: Client, vigil: Vigil) -> RelayError | None:
    """Tell a client that its call was stopped, if it does not leave meanwhile; as `pump` returns it."""
    failure = None if client.begun else CallStopped(STOPPED)
    try:
        await vigil.settle()
        await client.fail(CallStopped(STOPPED))
    except asyncio.CancelledError:
        if not vigil.client_left:
            raise
        vigil.task.uncancel()
    return failure


async def _move(reply: Reply, client: Client, vigil: Vigil, *, streamed: bool) -> RelayError | None:
    own_headers = client.headers
    try:
        for tap in reply.taps:
            tap.feed(reply.first)
        client.headers = own_headers + reply.headers
        if streamed:
            await _stream(reply, client, vigil)
        else:
            client.begun = True
            await client.start_whole(reply.status, len(reply.first), [(b"content-type", reply.media_type.encode())])
            last = reply.first if reply.delivered is None else await _all_but_the_end(reply.first, client, vigil)
            _tell(reply, client, Outcome.OK)
            await client.finish(last)
        if reply.delivered is not None:
            reply.delivered()
    except asyncio.CancelledError as exc:
        if exc.args == (CLIENT_LEFT,):
            _tell(reply, client, Outcome.CLIENT_GONE)
        elif vigil.stopped:
            _tell(reply, client, Outcome.CUT, STOPPED)
        elif client.begun and not reply.is_told:
            _tell(reply, client, Outcome.CUT, SHUT_DOWN)
            await client.fail(Unavailable(SHUT_DOWN))
        raise
    except RelayError as exc:
        _tell(reply, client, Outcome.CUT, exc.message, exc)
        await vigil.settle()
        await client.fail(exc)
    except Exception as exc:
        log.exception("a reply broke off by a fault of ours")
        _tell(reply, client, Outcome.ERROR, type(exc).__name__)
        failure = RelayError("The gateway failed in the midst of the reply.")
        if not client.begun:
            client.headers = own_headers  # the reply's may be what the server refused
        await client.fail(failure)
        return None if client.begun else failure
    finally:
        _tell(reply, client, Outcome.CUT)
        await reply.aclose()
    return None


async def _stream(reply: Reply, client: Client, vigil: Vigil) -> None:
    await vigil.settle()
    client.begun = True
    await client.start_stream(reply.media_type.encode())
    taps, send, ending, first = reply.taps, client.send, reply.ending, reply.first
    if ending.ended:
        if reply.delivered is not None:
            first = await _all_but_the_end(first, client, vigil)
        _tell(reply, client, Outcome.OK)
    await client.write(first)
    async for chunk in reply.rest:
        vigil.silent = False
        if vigil.ping is not None:
            await vigil.settle()
        for tap in taps:
            tap.feed(chunk)
        if ending.ended:
            if reply.delivered is not None:
                chunk = await _all_but_the_end(chunk, client, vigil)
            _tell(reply, client, Outcome.OK)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await vigil.settle()
    vigil.end()  # OpenAI's SDK closes the connection at [DONE]; that is not leaving early, and nothing may come after the end
    _tell(reply, client, Outcome.OK)
    await client.finish(b"" if reply.closing is None else reply.closing())


async def _all_but_the_end(data: bytes, client: Client, vigil: Vigil) -> bytes:
    """Send all of `data` but its last piece, which is given back where the client is still there when nearly all of that has left.

    It is looked for before the last piece: behind it, a client that has all may close the connection at once.
    """
    end = max(0, len(data) - 1) // _PIECE_BYTES * _PIECE_BYTES
    await vigil.look_now()
    if end:
        for start in range(0, end, _PIECE_BYTES):
            await client.write(data[start : start + _PIECE_BYTES])
        await client.write(b"")  # a server takes it when what it holds back has become little
        await vigil.look_now()
    return data[end:]


def _tell(
    reply: Reply, client: Client, outcome: Outcome, error: str | None = None, failure: RelayError | None = None
) -> None:
    """Let the taps hear of the end, where they have not: before the client sees it, so that no answered call lacks its record."""
    if reply.is_told:
        return
    if error is None and (error := reply.read_failure()) is not None:
        outcome = Outcome.ERROR  # a client may well leave because of the error that it was told
    reply.tell(End(outcome, reply.status, reply.read_usage(), time.monotonic(), error, client.begun, failure))
