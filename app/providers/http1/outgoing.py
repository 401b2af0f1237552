"""A request as it goes onto the wire: its head in bytes, checked, and its body."""

from collections.abc import AsyncIterable, Sequence
from typing import NamedTuple

import httpx

_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # RFC 9110, 5.6.2
_TELLING = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


Headers = Sequence[tuple[bytes, bytes]]


class Outgoing(NamedTuple):
    """A request ready to be sent.

    `body` is bytes where it is in memory, which makes the request repeatable; else it is read once, as it is sent,
    in `length` bytes or, where that is None, chunked.
    """

    head: bytes
    body: bytes | AsyncIterable[bytes]
    length: int | None
    wants_body: bool
    keep_alive: bool


class Prepared(NamedTuple):
    """A request whose head was checked once, for any body."""

    head: bytes
    keep_alive: bool

    def with_body(self, body: bytes, headers: Headers = ()) -> Outgoing:
        """Ready to be sent, with further `headers`.

        Raises:
            httpx.LocalProtocolError: a line break in one of them.
        """
        length = len(body)
        if headers:
            lines = b"".join([b"%b: %b\r\n" % header for header in headers])
            if not lines.count(b"\r") == lines.count(b"\n") == len(headers):
                raise httpx.LocalProtocolError("a line break in a header of the request")
            return Outgoing(
                b"%b%bContent-Length: %d\r\n\r\n" % (self.head, lines, length), body, length, True, self.keep_alive
            )
        return Outgoing(b"%bContent-Length: %d\r\n\r\n" % (self.head, length), body, length, True, self.keep_alive)


def prepare(url: httpx.URL, headers: Headers) -> Prepared:
    """The head of POSTs to `url` with `headers`, which tell no length.

    Raises:
        httpx.LocalProtocolError: as `write_out`.
    """
    outgoing = write_out(httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(b"")), url.netloc)
    head, ended, _ = outgoing.head.rpartition(b"Content-Length: 0\r\n\r\n")
    if not ended:
        raise httpx.LocalProtocolError("the headers tell how the body ends, but each request has another")
    return Prepared(head, outgoing.keep_alive)


def write_out(request: httpx.Request, host: bytes) -> Outgoing:
    """Write `request` for a server that is called `host` where the request itself does not say.

    Raises:
        httpx.LocalProtocolError: the request cannot be said in HTTP/1.1: a line break in a header, a name that is not
            a token, more than one length.
    """
    stream = request.stream
    body: bytes | AsyncIterable[bytes]
    if isinstance(stream, httpx.ByteStream):
        body = b"".join(stream)
    elif isinstance(stream, httpx.AsyncByteStream):
        body = stream
    else:
        raise httpx.LocalProtocolError("the request body can only be read synchronously")

    method = request.method
    headers = request.headers.raw
    target = request.url.raw_path
    lines = [b"%b %b HTTP/1.1" % (method.encode(), target)]
    telling: dict[bytes, bytes] = {}
    for name, value in headers:
        lines.append(b"%b: %b" % (name, value))
        lowered = name.lower()
        if lowered in _TELLING:
            if lowered in telling and lowered != b"connection":
                raise httpx.LocalProtocolError(f"the request has two {lowered.decode()!r} headers")
            telling[lowered] = value

    if b"host" not in telling:
        lines.insert(1, b"Host: " + host)
    length = _length(telling, body)
    if length is None and b"transfer-encoding" not in telling:
        lines.append(b"Transfer-Encoding: chunked")
    elif length is not None and b"content-length" not in telling and (length or method in _BODY_EXPECTED):
        lines.append(b"Content-Length: %d" % length)

    head = b"\r\n".join([*lines, b"", b""])
    breaks = len(lines) + 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head or b" " in target:
        raise httpx.LocalProtocolError(
            "a line break, NUL or space where HTTP/1.1 does not allow it in the request head"
        )
    if (method.encode() + b"".join([name for name, _ in headers])).translate(None, _TOKEN) or b"\r\n: " in head:
        raise httpx.LocalProtocolError("the request's method or a header name is not an HTTP token")
    if not method or method == "CONNECT":
        raise httpx.LocalProtocolError(f"requests with the method {method!r} are not sent from here")
    keep_alive = b"close" not in telling.get(b"connection", b"").lower()
    return Outgoing(head, body, length, method != "HEAD", keep_alive)


def _length(telling: dict[bytes, bytes], body: bytes | AsyncIterable[bytes]) -> int | None:
    """How many bytes the body has as the headers tell it; None for a chunked one."""
    told, encoding = telling.get(b"content-length"), telling.get(b"transfer-encoding")
    if encoding is not None:
        if told is not None:
            raise httpx.LocalProtocolError("the request has both Content-Length and Transfer-Encoding")
        if encoding.lower() != b"chunked":
            raise httpx.LocalProtocolError(f"request bodies can be sent chunked, not {encoding!r}")
        return None
    if told is None:
        return len(body) if isinstance(body, bytes) else None
    if not told.isdigit() or (isinstance(body, bytes) and int(told) != len(body)):
        raise httpx.LocalProtocolError(f"the request's Content-Length {told!r} is not the length of its body")
    return int(told)
