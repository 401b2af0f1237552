"""Gets what is at an address, redirects and all: bounded in bytes, on the wire and decompressed, and in its patience."""

import re
import zlib
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

import httpx

from app import __version__
from app.core.frozen import frozen
from app.providers.http1.dial import Refused
from app.web.url import read_url

USER_AGENT = f"LLM-Relay/{__version__}"
MOST_REDIRECTS = 5

_LIMITS = {"pool": 10.0, "connect": 5.0, "write": 5.0, "first_byte": 10.0, "read": 5.0}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GZIP = 31
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([\w.:-]{1,40})""", re.ASCII | re.IGNORECASE)

May = Callable[[httpx.URL], Awaitable[None]]
"""Raises where an address must not be asked for."""


class NotGot(Exception):
    """It could not be had; the words are a clause whose subject it is."""


@frozen
class Got:
    """An answer with a body.

    Attributes:
        url: where it was in the end.
        media_type: in lower case; "" where it was not told.
        charset: as the server told it, or None.
    """

    url: httpx.URL
    status: int
    media_type: str
    charset: str | None
    body: bytes


async def get(
    transport: httpx.AsyncBaseTransport,
    url: httpx.URL,
    accept: str,
    most_bytes: int,
    may: May | None = None,
    *,
    cuts: bool = False,
) -> Got:
    """Ask for `url`, and for wherever it is redirected to, by a transport that is guarded.

    Args:
        may: is asked before each request.
        cuts: see `read_bounded`.

    Raises:
        NotGot: too many redirects, too many bytes, broken compression.
        httpx.TransportError: no connection, no answer, one that broke off; `Refused` where none may be made.
    """
    headers = {"user-agent": USER_AGENT, "accept": accept, "accept-encoding": "gzip"}
    for _ in range(MOST_REDIRECTS + 1):
        if may is not None:
            await may(url)
        request = httpx.Request("GET", url, headers=headers, extensions={"timeout": _LIMITS})
        response = await transport.handle_async_request(request)
        try:
            where = response.headers.get("location", "") if response.status_code in _REDIRECTS else ""
            if not where:
                return _got(url, response, await read_bounded(response, most_bytes, cuts=cuts))
        finally:
            await response.aclose()
        url = _led(url, where)
    raise NotGot(f"was redirected more than {MOST_REDIRECTS} times")


def _led(url: httpx.URL, where: str) -> httpx.URL:
    try:
        return read_url(urljoin(str(url), where))
    except ValueError:  # of a host that urllib cannot read
        raise Refused("an address", "cannot be read") from None


def _got(url: httpx.URL, response: httpx.Response, body: bytes) -> Got:
    told = response.headers.get("content-type", "")
    charset = _CHARSET.search(told)
    kind = told.partition(";")[0].strip().lower()
    return Got(url, response.status_code, kind, charset[1].lower() if charset else None, body)


async def read_bounded(response: httpx.Response, most_bytes: int, *, cuts: bool = False) -> bytes:
    """The body of an answer, unpacked where it is gzip.

    Args:
        cuts: of one that has more than `most_bytes`, the first ones are given, and the others not waited for.

    Raises:
        NotGot: it has more than `most_bytes`, packed or unpacked, or cannot be unpacked.
        httpx.TransportError: it broke off.
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise NotGot(f"is compressed as {encoding[:20]!r}, which was not asked for")
    # httpx's own decoder inflates each piece as a whole, and 256 KiB of zeros in gzip are 256 MiB.
    decoder = zlib.decompressobj(_GZIP) if "gzip" in encoding else None
    body = bytearray()
    on_wire = 0
    async for piece in response.aiter_raw():
        on_wire += len(piece)
        try:
            body += decoder.decompress(piece, most_bytes + 1 - len(body)) if decoder else piece
        except zlib.error:
            raise NotGot("is said to be gzip and is not") from None
        if max(len(body), on_wire) > most_bytes:
            if cuts:
                return bytes(body[:most_bytes])
            raise NotGot(f"is larger than {most_bytes >> 10} KiB")
    if decoder and on_wire and not decoder.eof:
        raise NotGot("breaks off within its compression")
    return bytes(body)
