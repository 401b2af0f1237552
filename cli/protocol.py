"""The server's side of HTTP/1.1: uvicorn's, with what a gateway must be stricter or kinder about."""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.api.relay import new_request_id
from app.core.errors import InvalidRequest, RelayError
from app.dialects.openai.errors import write_error

MAX_HEAD_BYTES = 64 * 1024


class HeadTooLarge(InvalidRequest):
    """Request line and headers are over the limit."""

    status = 431


class GatewayProtocol(HttpToolsProtocol):
    """One client's connection.

    - A client that leaves ends its running call also where it had sent a further request behind it; uvicorn tells only the
      last one.
    - `Upgrade: h2c`, which Java's client sends by default, is ignored and the body read (RFC 9110, 7.8); llhttp stops there.
    - A request head is bounded: it is read before anybody is authenticated.
    - What is not HTTP is refused in OpenAI's shape too.
    """

    _running: RequestResponseCycle | None = None
    _in_head = True
    _head_bytes = 0
    _ignored_upgrade = False
    _body_bytes_left = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running call, whichever it is."""
        super().connection_lost(exc)
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._ignored_upgrade:
            self._take_body(data)
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignored_upgrade = True
            self.cycle.keep_alive = False  # the parser takes no further request on this connection
            self._body_bytes_left = int(dict(self.headers).get(b"content-length", b"0"))
            self._take_body(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        else:
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLarge(f"The request's headers are larger than {MAX_HEAD_BYTES} bytes."))

    def on_headers_complete(self) -> None:
        """Begin to serve the request."""
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here, and the next head may come; of an ignored upgrade, the body is still to come."""
        self._in_head = True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(InvalidRequest(msg))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _take_body(self, data: bytes) -> None:
        """Body bytes behind an upgrade that is ignored."""
        if data := data[: self._body_bytes_left]:
            self.on_body(data)
            self._body_bytes_left -= len(data)
        if not self._body_bytes_left:
            super().on_message_complete()

    def _refuse(self, error: RelayError) -> None:
        body = write_error(error)
        head = (
            f"HTTP/1.1 {error.status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {new_request_id()}\r\nconnection: close\r\n\r\n"
        )
        transport: asyncio.Transport = self.transport
        transport.write(head.encode() + body)
        transport.close()
