"""Fetches pages for augmentors: many at once, before one deadline, each failing by itself."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import httpx

from app.core.places import Place
from app.core.web import Page, PageFailure, Wanted
from app.providers.http1.dial import Refused
from app.providers.transport import Transport
from app.web.get import Got, NotGot, get
from app.web.guard import Guard, Resolve
from app.web.kept import Kept
from app.web.parse import Unreadable
from app.web.readers import Readers
from app.web.robots import Robots
from app.web.url import read_url

log = logging.getLogger(__name__)

MOST_BYTES = 2 << 20
MOST_OF_A_HOST = 2
MOST_AT_ONCE = 32  # of a worker: each holds up to MOST_BYTES
TTL_S = 900.0

_ACCEPT = "text/html,application/xhtml+xml,application/pdf,text/plain;q=0.9,text/*;q=0.5"
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_IDLE_S = 5.0
_SNIFFED = 512


class Pages:
    """The pages that a worker fetches, for its life.

    They go by a transport of their own, past any proxy of the environment: who asks a proxy leaves it the choice of the
    address, and the guard nothing to check.

    Args:
        allowed: what the operator opened (WEB_ALLOW).
        ca_file: of authorities to be trusted beside the system's.
        resolve: asks the system's resolver where it is not given.
    """

    def __init__(
        self,
        allowed: Sequence[Place] = (),
        *,
        ca_file: str | None = None,
        ttl_s: float = TTL_S,
        resolve: Resolve | None = None,
        readers: Readers | None = None,
    ) -> None:
        self._transport = Transport(
            ca_file=ca_file,
            max_connections=MOST_OF_A_HOST,
            max_idle=MOST_OF_A_HOST,
            idle_s=_IDLE_S,
            dial=Guard(allowed, resolve).dial,
        )
        self._readers = readers or Readers()
        self._robots = Robots(self._transport, self._readers)
        self._kept: Kept[Page] = Kept(ttl_s, lambda page: len(page.text))
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def fetch(self, wanted: Sequence[Wanted], deadline: float) -> Sequence[Page | PageFailure]:
        """All of `wanted`, in that order; those that are not there at the deadline, on the monotonic clock, fail."""
        tasks = {each: asyncio.create_task(self._page(each)) for each in wanted}
        try:
            if tasks:
                await asyncio.wait(tasks.values(), timeout=max(0.0, deadline - time.monotonic()))
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return [_late(each) if tasks[each].cancelled() else tasks[each].result() for each in wanted]

    async def aclose(self) -> None:
        """Close all connections and end the processes that parse."""
        await self._transport.aclose()
        await self._readers.aclose()

    async def _page(self, wanted: Wanted) -> Page | PageFailure:
        try:
            async with self._turns:
                return await self._read(wanted)
        except (NotGot, Unreadable) as exc:
            return PageFailure(wanted.url, str(exc))
        except Refused as exc:
            log.debug("a page was refused: %s", exc)  # without its path, which may be a secret
            return PageFailure(wanted.url, f"is not to be fetched: its address {exc.why}")
        except httpx.TransportError as exc:
            return PageFailure(wanted.url, f"could not be fetched ({type(exc).__name__})")
        except Exception:
            log.exception("a page could not be read")
            return PageFailure(wanted.url, "could not be read")

    async def _read(self, wanted: Wanted) -> Page:
        url = read_url(wanted.url)
        may = None if wanted.by_user else self._robots.check
        key = str(url)
        if (held := self._kept.get(key)) is not None:
            if may is not None:
                await may(url)
                await may(read_url(held.url))
            return replace(held, asked=wanted.url)
        got = await get(self._transport, url, _ACCEPT, MOST_BYTES, may)
        if not 200 <= got.status < 300:
            raise NotGot(f"answered with the status {got.status}")
        read = await self._readers.read(_kind(got), got.body, got.charset, str(got.url))
        page = Page(wanted.url, str(got.url), read["title"], read["text"], read["date"])
        self._kept.put(key, page)
        return page


def _kind(got: Got) -> str:
    if got.media_type == "application/pdf" or got.body.startswith(b"%PDF-"):
        return "pdf"
    if got.media_type in _HTML or (not got.media_type and b"<" in got.body[:_SNIFFED]):
        return "html"
    if got.media_type.startswith("text/") or not got.media_type:
        return "text"
    raise NotGot(f"is of the type {got.media_type[:60]!r}, and neither text nor PDF")


def _late(wanted: Wanted) -> PageFailure:
    return PageFailure(wanted.url, "was not there in time")
