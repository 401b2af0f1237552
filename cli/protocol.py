"""The server's side of HTTP/1.1: uvicorn's, with what a gateway must be stricter or kinder about."""

import asyncio
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.relay import new_request_id
from app.background import BEGIN_STOP
from app.core.errors import InvalidRequest, RelayError
from app.dialects.openai.errors import write_error

MAX_HEAD_BYTES = 64 * 1024
# What tells where a request's body ends (RFC 9112, 6).
_FRAMING = (b"content-length", b"transfer-encoding")


class HeadTooLarge(InvalidRequest):
    """Request line and headers are over the limit."""

    status = 431


class Exchange(RequestResponseCycle):
    """One request and its response.

    The response's head leaves together with the first bytes of its body, in one system call; ASGI lets nothing leave before.
    Header names are lower case, as ASGI has them, and only line breaks are looked for in what the application sends.
    """

    _head = b""
    _until_close = False

    async def send(self, message: Mapping[str, Any]) -> None:
        """Take one of ASGI's messages."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if self.response_started:
            body, more = message.get("body", b""), message.get("more_body", False)
            if more and body and self.chunked_encoding and not self._head and not self.response_complete:
                self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
            else:
                self._write(body, more=more)
        else:
            self._head = self._write_head(message["status"], message.get("headers", ()))
            self.response_started = True
            self.waiting_for_100_continue = False

    def _write_head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        all_headers = (*self.default_headers, *headers)
        lines = [STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in all_headers]]
        named = dict(all_headers)
        length = int(named[b"content-length"]) if b"content-length" in named else None
        if b"connection" in named and b"close" in named[b"connection"].lower():
            self.keep_alive = False
        is_bodiless = self.scope["method"] == "HEAD" or status in (204, 304)
        chunked = length is None and not is_bodiless
        if (
            chunked and self.scope["http_version"] == "1.0"
        ):  # it knows no chunks: the end of the connection is the end (RFC 9112, 6.1)
            chunked = self.keep_alive = False
            self._until_close = True
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        head = b"".join(lines)
        if not head.count(b"\r") == head.count(b"\n") == len(lines) or head.find(b"\0") >= 0:
            raise RuntimeError("a line break or NUL in a response header")
        self.chunked_encoding = chunked
        self.expected_content_length = 0 if is_bodiless else length or 0
        return head + b"\r\n"

    def _write(self, body: bytes, *, more: bool) -> None:
        if self.response_complete:
            raise RuntimeError("a response goes on after its end")
        head, self._head = self._head, b""
        if self.chunked_encoding:
            if body:
                head = b"%b%x\r\n%b\r\n" % (head, len(body), body)
            if not more:
                head += b"0\r\n\r\n"
            body = b""
        elif self.scope["method"] == "HEAD":
            body = b""
        elif not self._until_close:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (self.expected_content_length and not more):
                raise RuntimeError("a response is longer or shorter than its content-length")
        self.transport.write(head + body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


class GatewayProtocol(HttpToolsProtocol):
    """One client's connection.

    - A client that leaves ends its running call also where it had sent a further request behind it; uvicorn tells only the
      last one.
    - `Upgrade: h2c`, which Java's client sends by default, is ignored and the body read (RFC 9110, 7.8); llhttp stops there.
    - Heads, chunk sizes and trailers are bounded: they are read before anybody is authenticated.
    - What is not HTTP is refused in OpenAI's shape too.
    - The application is told when the server begins to stop (`BEGIN_STOP`), which ASGI does not provide for.
    """

    _running: RequestResponseCycle | None = None
    _in_head = True
    _head_bytes = 0
    _is_broken = False
    _is_resuming = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running call, whichever it is."""
        super().connection_lost(exc)
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def shutdown(self) -> None:
        """The server begins to stop: let streams end that would go on for ever, and close when the running call is answered."""
        if (begin_stop := self.app_state.get(BEGIN_STOP)) is not None:
            begin_stop()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._is_broken:
            return
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)  # set to 0 where a head or a piece of body was among it
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge(f"The request's headers are larger than {MAX_HEAD_BYTES} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, but no trailer, which may say anything (RFC 9110, 6.5.1)."""
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin to serve the request, or put it behind the one that is being served."""
        if self._is_resuming:
            return
        self._in_head = False
        self._head_bytes = 0
        version = self.parser.get_http_version()
        path, query = _split(self.url)
        scope = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = urllib.parse.unquote(path.decode("ascii")) if b"%" in path else path.decode("ascii")
        scope["raw_path"] = path
        scope["query_string"] = query
        before = self.cycle
        self.cycle = Exchange(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Take a piece of body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here, and the next head may come; of an ignored upgrade, the body is still to come."""
        if self.parser.should_upgrade():
            return
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(InvalidRequest(msg))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: bytes) -> None:
        """Feed the parser; behind an upgrade that is ignored, one that has not seen it goes on in its place.

        Raises:
            httptools.HttpParserError: the data is not HTTP.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._resume()
                data = data[upgrade.args[0] :]
            else:
                return

    def _resume(self) -> None:
        """Put a parser in the place of the one that stopped, as if it had read the head without the upgrade."""
        head = [b"POST / HTTP/1.1\r\n", *(b"%b: %b\r\n" % header for header in self.headers if header[0] in _FRAMING)]
        if not self.cycle.keep_alive:
            head.append(b"connection: close\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self._is_resuming = True
        self.parser.feed_data(b"".join([*head, b"\r\n"]))
        self._is_resuming = False

    def _refuse(self, error: RelayError) -> None:
        """Say what is wrong and close; behind a request that is being served, only close when that one is answered."""
        self._is_broken = True
        running = self._running
        if running is not None and not running.response_complete:
            if not running.more_body:
                running.keep_alive = False
                return
            if running.response_started:
                self.transport.close()
                return
        body = write_error(error)
        head = (
            f"HTTP/1.1 {error.status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {new_request_id()}\r\nconnection: close\r\n\r\n"
        )
        transport: asyncio.Transport = self.transport
        transport.write(head.encode() + body)
        transport.close()


def _split(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target.

    Raises:
        httptools.HttpParserInvalidURLError: it is none.
    """
    if url.startswith(b"/") and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""
