"""What sites let robots fetch (RFC 9309)."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.robotparser import RobotFileParser
from weakref import WeakValueDictionary

import httpx

from app.providers.http1.dial import Refused
from app.web.get import NotGot, get

TTL_S = 3600.0
MOST_BYTES = 500 * 1024  # RFC 9309, 2.5: what a crawler has to read at least
_MOST_SITES = 512
_NAME = "LLM-Relay"

Rules = RobotFileParser | bool
"""Or whether everything is allowed."""


class Robots:
    """Answers from each site's robots.txt, which is fetched through the guard like any page and kept for an hour."""

    def __init__(self, transport: httpx.AsyncBaseTransport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._known: OrderedDict[httpx.URL, tuple[float, Rules]] = OrderedDict()
        self._locks: WeakValueDictionary[httpx.URL, asyncio.Lock] = WeakValueDictionary()

    async def check(self, url: httpx.URL) -> None:
        """Return where `url` may be fetched.

        Raises:
            NotGot: it may not.
            Refused: no connection may be made there.
        """
        site = url.copy_with(raw_path=b"/robots.txt", fragment=None)
        lock = self._locks.setdefault(site, asyncio.Lock())
        async with lock:  # one question a site
            rules = await self._rules(site)
        # A long list takes a while to read and to search.
        if not (rules if isinstance(rules, bool) else await asyncio.to_thread(rules.can_fetch, _NAME, str(url))):
            raise NotGot("is not for robots, as the site's robots.txt says or does not tell")

    async def _rules(self, site: httpx.URL) -> Rules:
        known = self._known.get(site)
        if known is not None and self._clock() < known[0]:
            return known[1]
        rules = await self._ask(site)
        self._known[site] = self._clock() + TTL_S, rules
        self._known.move_to_end(site)
        if len(self._known) > _MOST_SITES:
            self._known.popitem(last=False)
        return rules

    async def _ask(self, site: httpx.URL) -> Rules:
        """RFC 9309, 2.3.1: where there is none, all is allowed; where it cannot be had, nothing is."""
        try:
            got = await get(self._transport, site, "text/plain", MOST_BYTES)
        except Refused:  # then so is the page, and that is what is to be told
            raise
        except (NotGot, httpx.TransportError):
            return False
        if not 200 <= got.status < 300:
            return 400 <= got.status < 500
        return await asyncio.to_thread(_parse, got.body)


def _parse(body: bytes) -> RobotFileParser:
    rules = RobotFileParser()
    rules.parse(body.decode("utf-8-sig", "replace").splitlines())
    return rules
