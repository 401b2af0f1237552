"""One HTTP/1.1 connection: sends a request, parses what comes back, and lets the body be read as it comes.

Parsing is llhttp's (httptools). One parser, one list of header pairs and one list of body pieces serve a connection for
life, so that an exchange leaves no reference cycles behind and a body piece costs no more than `list.append`.
"""

import asyncio
import math
from collections.abc import AsyncIterable, Callable, Mapping
from typing import Literal, cast

import httptools
import httpx

from app.providers.outgoing import Outgoing

Framing = Literal["length", "chunked", "close", "none"]
"""How the end of a body is known; with "close", a body that was cut looks like a whole one."""

Limits = Mapping[str, float | None]
"""Seconds for `pool`, `connect`, `write`, `first_byte` and `read`; what is None or not there has no limit."""

_MAX_UNREAD_BYTES = 128 * 1024  # above it the socket is not read; a read brings up to 256 KiB, so ~400 KiB at most
_MAX_FRAMING_BYTES = 64 * 1024  # a head, or chunk sizes and trailers, may take so much before a byte of body comes
_STALE_WINDOW_S = 5.0  # a server that closes an idle connection as we write is heard of in a round trip
_CLOCK_STEP_S = 0.002  # uvloop's clock has steps of 1 ms

_TIMEOUTS: dict[str, tuple[type[httpx.TimeoutException], str]] = {
    "write": (httpx.WriteTimeout, "took no byte of the request"),
    "first_byte": (httpx.ReadTimeout, "sent no byte of an answer"),
    "read": (httpx.ReadTimeout, "sent nothing more"),
}


class Connection(asyncio.Protocol):
    """A socket to one origin that carries one exchange at a time: `ask`, then `read` to the end, then `rest`.

    It closes itself where the server closes, breaks the protocol, sends what nobody asked for, or is too slow;
    `on_closed` is told once, whoever closes it. `closed` says that no more requests can go this way: what came before
    can still be read.
    """

    def __init__(self, name: str, on_closed: Callable[["Connection"], None]) -> None:
        self.closed = False
        self.remote = ""
        self.exchanges = 0
        self.status = 0
        self.reason = b""
        self.http_version = b""
        self.framing: Framing = "none"
        self.headers: list[tuple[bytes, bytes]] = []
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)  # there from connection_made on
        self._name = name
        self._on_closed = on_closed

        self._stage = "idle"  # then "asked", "head" (a first byte is here), "body", "end" (its last byte is here)
        self._error: Exception | None = None
        self._limits: Limits = {}
        self._wants_body = True
        self._keep_alive = True
        self._informational = False
        self._asked_at = 0.0
        self._pieces: list[bytes] = []
        self._unread_bytes = 0
        self._framing_bytes = 0
        self._reading_paused = False
        self._writing_paused = False
        self._upload: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None

        self._limit = "idle"
        self._limit_s = 0.0
        self._deadline = math.inf
        self._backlog_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

        self.on_body = self._pieces.append
        self._parser = httptools.HttpResponseParser(self)

    # What the owner calls.

    async def ask(self, outgoing: Outgoing, limits: Limits) -> None:
        """Send a request and return when the head of its answer is here, in `status`, `headers` and their like.

        Raises:
            httpx.TransportError: what came between; `stale` says whether the request may be sent anew elsewhere.
        """
        self._stage = "asked"
        self._limits = limits
        self._wants_body = outgoing.wants_body
        self._keep_alive = outgoing.keep_alive
        self._asked_at = self._loop.time()
        self._framing_bytes = 0
        self.reason = b""
        self.headers.clear()
        if self.closed or self._transport.is_closing():
            self.close()
            raise httpx.ReadError(f"{self._name} closed the connection")
        if isinstance(outgoing.body, bytes):
            self._transport.writelines((outgoing.head, outgoing.body))
            self._written()
        else:
            self._upload = self._loop.create_task(self._send(outgoing.head, outgoing.body, outgoing.length))
            self._upload.add_done_callback(self._uploaded)
        while self._stage == "asked" or self._stage == "head":
            if self._error is not None:
                raise self._error
            await self._wait()
        self.exchanges += 1

    async def read(self) -> bytes:
        """The bytes of the body that came since the last call, or the next ones to come; b"" at the end.

        Raises:
            httpx.TransportError: the body was cut, or nothing more came in time; all that came was read before.
        """
        while not self._pieces:
            if self._stage == "end":
                return b""
            if self._error is not None:
                raise self._error
            self._arm("read", self._limits.get("read"))
            await self._wait()
        return self.take()

    def take(self) -> bytes:
        """The bytes of the body that are here and were not yet read."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread_bytes = 0
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    @property
    def finished(self) -> bool:
        """Whether the body is here to its end and was read."""
        return self._stage == "end" and not self._pieces

    @property
    def stale(self) -> bool:
        """Whether the server had plainly given this kept connection up when the request was sent."""
        return (
            self.closed
            and self._stage == "asked"
            and self.exchanges > 0
            and not isinstance(self._error, httpx.TimeoutException)
            and self._loop.time() - self._asked_at < _STALE_WINDOW_S
        )

    def rest(self, idle_s: float) -> bool:
        """Wait for the next request, for at most `idle_s`; False where this connection cannot take one."""
        if self.closed or (self._stage != "idle" and not self._is_clean()):
            return False
        self._stage = "idle"
        self._arm("idle", idle_s)
        return True

    def close(self) -> None:
        """Close the socket at once, whatever is under way."""
        if self.closed:
            return
        self.closed = True
        self._deadline = math.inf
        if self._timer is not None:
            self._timer.cancel()
        if self._upload is not None:
            self._upload.cancel()
        self._transport.abort()
        self._on_closed(self)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self.remote = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def data_received(self, data: bytes) -> None:
        if self.closed:
            return
        if self._stage == "idle":
            self.close()
            return
        if self._stage == "end":
            self._keep_alive = False
            return
        if self._stage == "asked":
            self._stage = "head"
        pieces_before = len(self._pieces)
        self._framing_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            if self._stage != "end":
                self._fail(httpx.RemoteProtocolError(f"{self._name} broke HTTP/1.1: {exc.__context__ or exc}"))
                return
            self._keep_alive = False
        if len(self._pieces) > pieces_before:
            self._framing_bytes = 0
            self._unread_bytes += len(data)
            if self._unread_bytes > _MAX_UNREAD_BYTES and self._stage == "body" and not self._reading_paused:
                self._reading_paused = True
                self._transport.pause_reading()
        elif self._framing_bytes > _MAX_FRAMING_BYTES and self._stage != "end":
            self._fail(httpx.RemoteProtocolError(f"{self._name} sent more than 64 KiB of headers or chunk sizes"))
            return
        if self._stage == "head":
            self._arm("read", self._limits.get("read"))
        else:
            self._deadline = math.inf
            self._wake()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._limit == "write":
            self._deadline = math.inf
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
        elif self._stage == "asked":
            self._written()

    # What the parser calls; what is raised here ends the parsing. `on_body` is the list's own append.

    def on_message_begin(self) -> None:
        if self._stage == "end":
            raise ValueError("a second answer")

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._stage == "head":  # else it is a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        self.status = parser.get_status_code()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise ValueError(f"the answer is in HTTP/{version}")
        if self.status < 200:
            if self.status < 100 or self.status == 101 or framing_of(self.status, self.headers) != "close":
                raise ValueError(f"status {self.status} in answer to this request")
            self._informational = True
            return
        if self._framing_bytes > _MAX_FRAMING_BYTES and _size(self.headers) > _MAX_FRAMING_BYTES:
            raise ValueError("more than 64 KiB of headers")
        self.http_version = b"HTTP/1.1" if version == "1.1" else b"HTTP/1.0"
        self._keep_alive = parser.should_keep_alive() and self._keep_alive
        self.framing = framing_of(self.status, self.headers) if self._wants_body else "none"
        if not self._wants_body:
            self._stage = "end"
            raise ValueError("a body that was not asked for")  # llhttp cannot be told of a HEAD request
        self._stage = "body"

    def on_message_complete(self) -> None:
        if not self._informational:
            self._stage = "end"
            return
        self._informational = False
        self.reason = b""
        self.headers.clear()

    # The rest is private.

    async def _send(self, head: bytes, body: AsyncIterable[bytes], length: int | None) -> None:
        """Write a body as its parts come, no faster than the server takes it."""
        transport = self._transport
        transport.write(head)
        sent = 0
        async for part in body:
            if transport.is_closing():
                return  # the one who waits for the answer hears of it
            sent += len(part)
            if length is not None and sent > length:
                break
            if length is not None:
                transport.write(part)
            elif part:
                transport.writelines((b"%x\r\n" % len(part), part, b"\r\n"))
            if self._writing_paused:
                self._drained = self._loop.create_future()
                if self._stage == "asked":
                    self._arm("write", self._limits.get("write"))
                await self._drained
                self._drained = None
        if length is not None and sent != length:
            raise httpx.LocalProtocolError(f"the request body is not {length} bytes long, as its Content-Length says")
        if length is None:
            transport.write(b"0\r\n\r\n")
        if self._stage == "asked":
            self._written()

    def _uploaded(self, upload: asyncio.Task[None]) -> None:
        if not upload.cancelled() and isinstance(error := upload.exception(), Exception):
            self._fail(error)

    def _written(self) -> None:
        """All of the request is with the operating system, or waits for it to take more."""
        if self._writing_paused:
            self._arm("write", self._limits.get("write"))
        else:
            limits = self._limits
            self._arm("first_byte", limits["first_byte"] if "first_byte" in limits else limits.get("read"))

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _arm(self, limit: str, seconds: float | None) -> None:
        """From now on `limit` counts. One timer a connection is moved only where it would ring too late."""
        self._limit = limit
        if seconds is None:
            self._deadline = math.inf
            return
        self._limit_s = seconds
        self._deadline = self._loop.time() + seconds
        if limit == "write":
            self._backlog_bytes = self._transport.get_write_buffer_size()
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline == math.inf:
            return
        if self._loop.time() + _CLOCK_STEP_S < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        elif self._limit == "idle":
            self.close()
        elif self._limit == "write" and self._transport.get_write_buffer_size() < self._backlog_bytes:
            self._arm("write", self._limit_s)
        else:
            error, what = _TIMEOUTS[self._limit]
            self._fail(error(f"{self._name} {what} within {self._limit_s:g} s (limit {self._limit!r})"))

    def _is_clean(self) -> bool:
        return (
            self._stage == "end"
            and self._keep_alive
            and not self._pieces
            and not self._transport.get_write_buffer_size()
            and (self._upload is None or self._upload.done())
        )

    def _end(self, exc: Exception | None) -> None:
        """The server will send no more."""
        if self.closed:
            return
        if self._stage in ("idle", "end"):
            self.close()
        elif exc is not None and self._limit == "write" and self._writing_paused:
            self._fail(httpx.WriteError(f"{self._name} broke the connection as the request was sent: {exc}"))
        elif exc is not None:
            self._fail(httpx.ReadError(f"the connection to {self._name} broke: {exc}"))
        elif self._stage == "asked":
            self._fail(httpx.RemoteProtocolError(f"{self._name} closed the connection without an answer"))
        elif self._stage == "head":
            self._fail(httpx.RemoteProtocolError(f"{self._name} closed the connection amid the head of its answer"))
        elif self.framing == "close":
            self._stage = "end"
            self.close()
            self._wake()
        else:
            self._fail(httpx.RemoteProtocolError(f"{self._name} closed the connection before the end of the body"))

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self.close()
        self._wake()


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def framing_of(status: int, headers: list[tuple[bytes, bytes]]) -> Framing:
    """How the end of an answer's body is known (RFC 9112, 6.3).

    Raises:
        ValueError: a transfer coding other than chunked.
    """
    if status in (204, 304):
        return "none"
    framing: Framing = "close"
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise ValueError(f"transfer coding {value[:40]!r}")
            return "chunked"
        if lowered == b"content-length":
            framing = "length"
    return framing
