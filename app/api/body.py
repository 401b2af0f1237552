"""Reads a request's body: bounded, also after decompression."""

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.core.errors import BodyTooLarge, InvalidRequest

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

# Of a length that any server takes, leading zeros aside.
_MOST_DIGITS = 19

# Both headers of zlib's family, and none.
_WINDOW = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


class ClientGone(Exception):
    """The client left before its request had come."""


async def read_body(receive: Receive, *, encoding: bytes, declared: bytes, limit: int) -> bytes:
    """The whole body, decompressed.

    Args:
        encoding: the header `Content-Encoding`, lower case; empty for none.
        declared: the header `Content-Length`; empty for none.
        limit: bytes, before and after decompression.

    Raises:
        BodyTooLarge: more than `limit`.
        InvalidRequest: the encoding is unknown, or the bytes are not of it.
        ClientGone: the connection ended first.
    """
    if declared.isdigit() and (len(declared) > _MOST_DIGITS or int(declared) > limit):
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] != "http.request":
        raise ClientGone
    if message.get("more_body"):
        body = await _read_rest(receive, body, limit)
    if len(body) > limit:
        raise _too_large(limit)
    return body if encoding in (b"", b"identity") else _decompress(body, encoding, limit)


async def _read_rest(receive: Receive, first: bytes, limit: int) -> bytes:
    pieces = [first]
    size = len(first)
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(pieces)


def _decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    window = _WINDOW.get(encoding)
    if window is None:
        raise InvalidRequest(
            f"The Content-Encoding {encoding.decode(errors='replace')!r} is not supported; use gzip or none."
        )
    decoder = zlib.decompressobj(window)
    try:
        plain = decoder.decompress(body, limit + 1)
    except zlib.error as exc:
        raise InvalidRequest(f"The body is not {encoding.decode()}: {exc}.") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not decoder.eof or decoder.unused_data:
        raise InvalidRequest(f"The {encoding.decode()} body is incomplete, or more than one.")
    return plain


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes (setting MAX_BODY_BYTES).")
