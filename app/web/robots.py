"""What sites let robots fetch, asked of themselves (RFC 9309)."""

import asyncio
from weakref import WeakValueDictionary

import httpx

from app.providers.http1.dial import Refused
from app.web.get import NotGot, get
from app.web.kept import Kept
from app.web.parse import Unreadable
from app.web.readers import Readers

TTL_S = 3600.0
MOST_BYTES = 500 * 1024  # RFC 9309, 2.5: what a crawler has to read at least; what follows is passed over
_OPEN = b""
_CLOSED = b"User-agent: *\nDisallow: /"


class Robots:
    """Answers from each site's robots.txt, which is fetched through the guard like any page and kept for an hour."""

    def __init__(self, transport: httpx.AsyncBaseTransport, readers: Readers) -> None:
        self._transport = transport
        self._readers = readers
        self._known: Kept[bytes] = Kept(TTL_S, len)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def check(self, url: httpx.URL) -> None:
        """Return where `url` may be fetched.

        Raises:
            NotGot: it may not.
            Refused: no connection may be made there.
        """
        site = url.copy_with(raw_path=b"/robots.txt", fragment=None)
        lock = self._locks.setdefault(str(site), asyncio.Lock())
        async with lock:  # one question a site
            rules = await self._rules(site)
        if rules != _OPEN and not await self._allow(rules, site, url):
            raise NotGot("is not for robots, as the site's robots.txt says or does not tell")

    async def _allow(self, rules: bytes, site: httpx.URL, url: httpx.URL) -> bool:
        try:
            return bool((await self._readers.read("robots", rules, None, str(url)))["allows"])
        except Unreadable:  # it takes too long: once is enough
            self._known.put(str(site), _CLOSED)
            return False

    async def _rules(self, site: httpx.URL) -> bytes:
        rules = self._known.get(str(site))
        if rules is None:
            rules = await self._ask(site)
            if rules is None:  # an outage is not kept: it may be over in a moment
                return _CLOSED
            self._known.put(str(site), rules)
        return rules

    async def _ask(self, site: httpx.URL) -> bytes | None:
        """RFC 9309, 2.3.1: where there is none, all is allowed; where it cannot be had, nothing is. None in an outage."""
        try:
            got = await get(self._transport, site, "text/plain", MOST_BYTES, cuts=True)
        except Refused:  # then so is the page, and that is what is to be told
            raise
        except NotGot:
            return _CLOSED
        except httpx.TransportError:
            return None
        if not 200 <= got.status < 300:
            return _OPEN if 400 <= got.status < 500 else None
        return _whole_lines(got.body)


def _whole_lines(body: bytes) -> bytes:
    if len(body) < MOST_BYTES:
        return body
    return body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]  # a rule that breaks off would be another one
