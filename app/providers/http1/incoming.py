"""Answers as they come out of the parser, which is llhttp (httptools); no I/O.

One parser, one list of header pairs and one list of body pieces serve a connection for life, so that an exchange leaves
no reference cycles behind and a piece of body costs no more than `list.append`.
"""

from typing import Literal

import httptools

Headers = list[tuple[bytes, bytes]]

Framing = Literal["length", "chunked", "close", "none"]
"""How the end of a body is known; with "close", a body that was cut looks like a whole one."""

MAX_FRAMING_BYTES = 64 * 1024
"""What a head, or chunk sizes and trailers, may take before a byte of body or the end has to come."""


_CONTROL = bytes(code for code in (*range(32), 127) if code != 9)  # llhttp refuses them in headers, not in a reason


class Malformed(Exception):
    """What came is not an answer in HTTP/1.1."""


class AnswerParser:
    """The answer to one request after the other: `begin`, then `feed` what comes and `take` the body.

    `pieces` is what `take` would give; only to be looked at.
    `stage` is "head" until the headers are complete, then "body", and "end" once the last byte of the body is here.
    `keep_alive` says, at the end, whether another answer can follow on this connection.
    """

    def __init__(self) -> None:
        self.stage = "end"
        self.status = 0
        self.reason = b""
        self.http_version = b""
        self.headers: Headers = []
        self.framing: Framing = "none"
        self.keep_alive = False
        self.unread_bytes = 0  # as they came, which is a little more than what `take` gives
        self.pieces: list[bytes] = []
        self._framing_bytes = 0
        self._wants_body = True
        self._is_informational = False
        self.on_body = self.pieces.append
        self._parser = httptools.HttpResponseParser(self)

    def begin(self, *, wants_body: bool) -> None:
        """Expect the answer to a request that, unless it is a HEAD request, `wants_body`."""
        self.stage = "head"
        self.reason = b""
        self.headers.clear()
        self.keep_alive = True
        self._framing_bytes = 0
        self._wants_body = wants_body

    def feed(self, data: bytes) -> None:
        """Parse what came.

        Raises:
            Malformed: it cannot be parsed; `take` still gives what could.
        """
        if self.stage == "end":
            self.keep_alive = False
            return
        pieces = len(self.pieces)
        self._framing_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self.keep_alive = False
            if self.stage != "end":
                raise Malformed(exc.__context__ or exc) from None
        if len(self.pieces) > pieces:
            self._framing_bytes = 0
            self.unread_bytes += len(data)
        elif self._framing_bytes > MAX_FRAMING_BYTES and self.stage != "end":
            raise Malformed("more than 64 KiB of headers, chunk sizes or trailers")

    def take(self) -> bytes:
        """The bytes of the body that came since the last call, chunk sizes taken away."""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.unread_bytes = 0
        return data

    # What the parser calls. What is raised here ends the parsing. `on_body` is the list's own `append`.

    def on_message_begin(self) -> None:
        if self.stage == "end":
            raise Malformed("a second answer")

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.stage == "head":  # else it is a trailer, which nobody here asks for
            self.headers.append((name.lower(), value.rstrip(b" \t")))  # llhttp strips the other side only

    def on_headers_complete(self) -> None:
        parser = self._parser
        self.status = parser.get_status_code()
        version = parser.get_http_version()
        if version != "1.1" and version != "1.0":
            raise Malformed(f"an answer in HTTP/{version}")
        if self.reason.translate(None, _CONTROL) != self.reason:
            raise Malformed("a control character in the reason of the status")
        if self._framing_bytes > MAX_FRAMING_BYTES and sum(map(_size, self.headers)) > MAX_FRAMING_BYTES:
            raise Malformed("more than 64 KiB of headers")
        if self.status < 200:
            if self.status < 100 or self.status == 101 or framing_of(self.status, self.headers) != "close":
                raise Malformed(f"status {self.status}, which is no answer to this request")
            self._is_informational = True
            return
        self.http_version = b"HTTP/1.1" if version == "1.1" else b"HTTP/1.0"
        self.framing = framing_of(self.status, self.headers)
        if not self._wants_body:
            self.framing = "none"
            self.stage = "end"
            raise Malformed("no body may follow")  # llhttp cannot be told: stop it, at the price of the connection
        self.keep_alive = parser.should_keep_alive()
        self.stage = "body"

    def on_message_complete(self) -> None:
        if self._is_informational:
            self._is_informational = False
            self.reason = b""
            self.headers.clear()
        else:
            self.stage = "end"


def framing_of(status: int, headers: Headers) -> Framing:
    """How the end of an answer's body is known (RFC 9112, 6.3), by headers with lower-case names.

    Raises:
        Malformed: a transfer coding other than chunked.
    """
    if status in (204, 304):
        return "none"
    named = dict(headers)
    if b"transfer-encoding" not in named:
        return "length" if b"content-length" in named else "close"
    for name, value in headers:
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise Malformed(f"transfer coding {value[:40]!r}")
    return "chunked"


def _size(header: tuple[bytes, bytes]) -> int:
    return len(header[0]) + len(header[1]) + 4  # with its colon, space and line break
