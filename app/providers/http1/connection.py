"""One HTTP/1.1 connection: a socket that sends a request, waits for its answer and lets the body be read as it comes."""

import asyncio
import select
import ssl
from collections.abc import AsyncIterable, Callable, Mapping
from typing import cast

import httpx

from app.providers.http1.alarm import Alarm
from app.providers.http1.incoming import AnswerParser, Malformed
from app.providers.http1.outgoing import Outgoing

Limits = Mapping[str, float | None]
"""Seconds for `pool`, `connect`, `write`, `first_byte` and `read`; what is None or not there has no limit."""

_MAX_UNREAD_BYTES = 128 * 1024  # above it the socket is not read; a read brings up to 256 KiB, so ~400 KiB at most
_STALE_WINDOW_S = 5.0  # a server that closed before it saw the request is heard of within a round trip

_TIMEOUTS: dict[str, tuple[type[httpx.TimeoutException], str]] = {
    "write": (httpx.WriteTimeout, "took no byte of the request"),
    "first_byte": (httpx.ReadTimeout, "sent no byte of an answer"),
    "read": (httpx.ReadTimeout, "sent nothing more"),
}


class Connection(asyncio.Protocol):
    """A socket to one server that carries one exchange at a time: `ask`, then `take` and `more` to the end, then `rest`.

    It closes itself where the server closes, breaks the protocol, sends what nobody asked for, or is too slow.
    `on_closed` is told once, whoever closes it. A closed connection still gives what came before; `lost` is done when
    the event loop has let go of the socket.
    """

    def __init__(self, name: str) -> None:
        self.answer = AnswerParser()
        self.remote = ""
        self.closed = False
        self.on_closed: Callable[[Connection], None] | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._tcp = cast("asyncio.Transport", None)  # there from connection_made on
        self._transport = self._tcp  # the same, or TLS over it
        self._name = name
        self._alarm = Alarm(self._ring)
        self._unread = select.poll()
        self._limits: Limits = {}
        self._limit = "idle"
        self._limit_s = 0.0
        self._backlog_bytes = 0

        self._is_idle = True
        self._is_used = False
        self._is_answered = False  # a byte of the answer has come
        self._keep_alive = True
        self._asked_at = 0.0
        self._error: Exception | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._upload: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    # What the owner calls.

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from now on, with a server that proves to be `host`; before anything else is sent.

        Raises:
            OSError: the handshake failed; `ssl.SSLError` is one.
        """
        secured = await self._loop.start_tls(self._tcp, self, context, server_hostname=host)
        if secured is None:
            raise ConnectionError("the server closed the connection")
        self._transport = secured

    async def ask(self, outgoing: Outgoing, limits: Limits) -> None:
        """Send a request and return when the head of its answer is here, in `answer`.

        Raises:
            httpx.TransportError: what came between; `is_stale` says whether the request may be sent anew elsewhere.
        """
        self._is_idle = False
        self._is_answered = False
        self._limits = limits
        self._keep_alive = outgoing.keep_alive
        self._asked_at = self._loop.time()
        self.answer.begin(wants_body=outgoing.wants_body)
        if self.closed or self._transport.is_closing():
            self.close()
            raise httpx.ReadError(f"{self._name} closed the connection")
        if isinstance(outgoing.body, bytes):
            self._transport.writelines((outgoing.head, outgoing.body))
            self._await_first_byte()
        else:
            self._upload = self._loop.create_task(self._send(outgoing.head, outgoing.body, outgoing.length))
            self._upload.add_done_callback(self._uploaded)
        while self.answer.stage == "head":
            if self._error is not None:
                raise self._error
            self._waiter = self._loop.create_future()
            await self._waiter

    def more(self) -> asyncio.Future[None]:
        """Done when more has come: bytes to `take`, the end in `answer`, or an error. To be called when all was taken.

        Raises:
            httpx.TransportError: the body was cut, or nothing more came in time.
        """
        if self._error is not None:
            raise self._error
        self._arm("read", self._limits.get("read"))
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def take(self) -> bytes:
        """The bytes of the body that are here and were not yet read."""
        data = self.answer.take()
        if self._reading_paused:
            self._reading_paused = False
            self._tcp.resume_reading()
        return data

    @property
    def is_finished(self) -> bool:
        """Whether the body is here to its end and was read."""
        return self.answer.stage == "end" and not self.answer.pieces

    @property
    def is_stale(self) -> bool:
        """Whether the server had plainly given this kept connection up when the request was sent."""
        return (
            self._is_used
            and self.closed
            and not self._is_answered
            and not isinstance(self._error, httpx.TimeoutException)
            and self._loop.time() - self._asked_at < _STALE_WINDOW_S
        )

    def is_spoiled(self) -> bool:
        """Whether something came while nobody asked, and the event loop has not seen it yet: it would pass for the next answer.

        Servers that end an idle connection say so with a 408, or just close it.
        """
        return bool(self._unread.poll(0))

    def rest(self, idle_s: float) -> bool:
        """Wait for the next request, for at most `idle_s`; False where this connection cannot take one."""
        if self.closed or not (self._is_idle or self._is_clean()):
            return False
        self._is_idle = True
        self._is_used = True
        self._arm("idle", idle_s)
        return True

    def close(self) -> None:
        """Close the socket at once; what is under way fails."""
        if self.closed:
            return
        self.closed = True
        self._error = self._error or httpx.ReadError(f"the connection to {self._name} was closed from here")
        self._alarm.stop()
        if self._upload is not None:
            self._upload.cancel()
        self._transport.abort()
        self._wake()
        if self.on_closed is not None:
            self.on_closed(self)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = self._transport = cast("asyncio.Transport", transport)
        self._unread.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self.remote = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def data_received(self, data: bytes) -> None:
        if self._is_idle:  # nobody asked for it
            self.close()
        if self.closed:
            return
        self._is_answered = True
        answer = self.answer
        try:
            answer.feed(data)
        except Malformed as exc:
            self._fail(httpx.RemoteProtocolError(f"{self._name} did not keep to HTTP/1.1: {exc}"))
            return
        if answer.unread_bytes > _MAX_UNREAD_BYTES and not self._reading_paused:
            self._reading_paused = True
            # Not TLS's: uvloop's drops what it holds when the server closes while it is paused.
            self._tcp.pause_reading()
        if answer.stage == "head":
            self._arm("read", self._limits.get("read"))
        else:
            self._alarm.clear()
            self._wake()

    def eof_received(self) -> None:
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            if self._limit == "write":
                self._alarm.clear()
        elif not self._is_answered and not self._is_idle:
            self._await_first_byte()

    # The rest is private.

    async def _send(self, head: bytes, body: AsyncIterable[bytes], length: int | None) -> None:
        """Write a body as its parts come, no faster than the server takes it."""
        transport = self._transport
        transport.write(head)
        sent = 0
        async for part in body:
            if transport.is_closing():
                break
            sent += len(part)
            if length is None:
                if part:
                    transport.writelines((b"%x\r\n" % len(part), part, b"\r\n"))
            elif sent <= length:
                transport.write(part)
            else:
                break
            if self._writing_paused:
                await self._drain()
        if transport.is_closing():
            return  # the one who waits for the answer hears of it
        if length is not None and sent != length:
            raise httpx.LocalProtocolError(f"the request's body is not the {length} bytes that its Content-Length says")
        if length is None:
            transport.write(b"0\r\n\r\n")
        if not self._is_answered:
            self._await_first_byte()

    async def _drain(self) -> None:
        self._drained = self._loop.create_future()
        if not self._is_answered:
            self._arm("write", self._limits.get("write"))
        try:
            await self._drained
        finally:
            self._drained = None

    def _uploaded(self, upload: asyncio.Task[None]) -> None:
        if not upload.cancelled() and isinstance(error := upload.exception(), Exception):
            self._fail(error)

    def _await_first_byte(self) -> None:
        """All of the request is with the operating system, or waits for it to take more."""
        limits = self._limits
        if self._writing_paused:
            self._arm("write", limits.get("write"))
        else:
            self._arm("first_byte", limits["first_byte"] if "first_byte" in limits else limits.get("read"))

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _arm(self, limit: str, seconds: float | None) -> None:
        """From now on `limit` is what counts."""
        self._limit = limit
        self._limit_s = seconds or 0.0
        self._alarm.set(seconds)
        if limit == "write":
            self._backlog_bytes = self._transport.get_write_buffer_size()

    def _ring(self) -> None:
        if self._limit == "idle":
            self.close()
        elif self._limit == "write" and self._transport.get_write_buffer_size() < self._backlog_bytes:
            self._arm("write", self._limit_s)
        else:
            error, what = _TIMEOUTS[self._limit]
            self._fail(error(f"{self._name} {what} within {self._limit_s:g} s (limit {self._limit!r})"))

    def _is_clean(self) -> bool:
        """Whether nothing of the last exchange is left, on the way there or back."""
        return (
            self.is_finished
            and self._keep_alive
            and self.answer.keep_alive
            and not self._transport.get_write_buffer_size()
            and (self._upload is None or self._upload.done())
        )

    def _end(self, exc: Exception | None) -> None:
        """The server will send no more."""
        stage = self.answer.stage
        if self.closed:
            return
        if self._is_idle or stage == "end":
            self.close()
        elif exc is not None and self._limit == "write" and self._writing_paused:
            self._fail(httpx.WriteError(f"{self._name} broke the connection as the request was sent: {exc}"))
        elif exc is not None:
            self._fail(httpx.ReadError(f"the connection to {self._name} broke: {exc}"))
        elif not self._is_answered:
            self._fail(httpx.RemoteProtocolError(f"{self._name} closed the connection without an answer"))
        elif stage == "head":
            self._fail(httpx.RemoteProtocolError(f"{self._name} closed the connection amid the head of its answer"))
        elif self.answer.framing == "close":
            self.answer.stage = "end"
            self.close()
        else:
            self._fail(httpx.RemoteProtocolError(f"{self._name} closed the connection before the end of the body"))

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self.close()
