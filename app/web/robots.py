"""What sites let robots fetch, asked of themselves (RFC 9309)."""

import asyncio
from weakref import WeakValueDictionary

import httpx
from protego import Protego

from app.providers.http1.dial import Refused
from app.web.get import NotGot, get
from app.web.kept import Kept

TTL_S = 3600.0
MOST_BYTES = 500 * 1024  # RFC 9309, 2.5: what a crawler has to read at least; what follows is passed over
_NAME = "LLM-Relay"
_HELD = 30
"""Bytes of memory for each character of a long list of rules, as measured."""


class Rules:
    """What one robots.txt says."""

    def __init__(self, text: str) -> None:
        self._parser = Protego.parse(text)
        self.size = _HELD * len(text)

    def allow(self, url: str) -> bool:
        """Whether we may ask for it."""
        return bool(self._parser.can_fetch(url, _NAME))


_ALL, _NONE = "", "User-agent: *\nDisallow: /"


class Robots:
    """Answers from each site's robots.txt, which is fetched through the guard like any page and kept for an hour."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport
        self._known: Kept[Rules] = Kept(TTL_S, lambda rules: rules.size)
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
        # In a thread: a long list takes a while to search, and below to read.
        if not await asyncio.to_thread(rules.allow, str(url)):
            raise NotGot("is not for robots, as the site's robots.txt says or does not tell")

    async def _rules(self, site: httpx.URL) -> Rules:
        rules = self._known.get(str(site))
        if rules is None:
            rules = await self._ask(site)
            if rules is None:  # an outage is not kept: it may be over in a moment
                return Rules(_NONE)
            self._known.put(str(site), rules)
        return rules

    async def _ask(self, site: httpx.URL) -> Rules | None:
        """RFC 9309, 2.3.1: where there is none, all is allowed; where it cannot be had, nothing is. None in an outage."""
        try:
            got = await get(self._transport, site, "text/plain", MOST_BYTES, cuts=True)
        except Refused:  # then so is the page, and that is what is to be told
            raise
        except NotGot:
            return Rules(_NONE)
        except httpx.TransportError:
            return None
        if not 200 <= got.status < 300:
            return Rules(_ALL) if 400 <= got.status < 500 else None
        return await asyncio.to_thread(_read, got.body)


def _read(body: bytes) -> Rules:
    if len(body) == MOST_BYTES:  # a rule that breaks off would be another one
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    return Rules(body.decode("utf-8-sig", "replace"))
