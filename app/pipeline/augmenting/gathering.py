"""Gathers from the web what an augmentor has decided to look up. What fails is left out; what is there counts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from app.core.call import Call
from app.core.errors import RelayError, UpstreamFailure
from app.core.frozen import frozen
from app.core.smart import Augmentor
from app.core.web import Page, PageFailure, PageFetcher, SearchFailed, SearchNotSetUp, SearchResult, Wanted
from app.pipeline.augmenting.decision import Decision

log = logging.getLogger(__name__)

Search = Callable[[Call, Augmentor, str, float], Awaitable[Sequence[SearchResult]]]
"""Searches for a query before a deadline on the monotonic clock, as a helper call. Raises `SearchFailed` or `RelayError`."""


@frozen
class Gathered:
    """What was found, best first.

    Attributes:
        failures: what could not be had, in a few words each.
        lost: the addresses of pages that could not be read where others could.
    """

    results: Sequence[SearchResult] = ()
    pages: Sequence[Page] = ()
    failures: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


class Gatherer:
    """Searches and fetches."""

    def __init__(self, search: Search, pages: PageFetcher) -> None:
        self._search = search
        self._pages = pages

    async def gather(self, call: Call, augmentor: Augmentor, decision: Decision, deadline: float) -> Gathered:
        """All of `decision` that is there at the deadline, on the monotonic clock. It never fails."""
        found, read = await asyncio.gather(
            self._find(call, augmentor, decision, deadline), self._fetch(call, decision.pages, deadline)
        )
        if not decision.follow:
            return _both(found, read)
        best = [Wanted(result.url) for result in found.results[: augmentor.max_scrape_urls]]
        return _both(found, read, await self._fetch(call, best, deadline))

    async def _find(self, call: Call, augmentor: Augmentor, decision: Decision, deadline: float) -> Gathered:
        if not decision.query:
            return Gathered()
        try:
            results = await self._search(call, augmentor, decision.query, deadline)
        except SearchNotSetUp as exc:
            log.warning("%s: the augmentor %s cannot search: %s", call.id, augmentor.name, exc)
            return Gathered(failures=("search is not set up",))
        except (SearchFailed, UpstreamFailure) as exc:
            log.info("%s: the search of the augmentor %s failed: %s", call.id, augmentor.name, exc)
            return Gathered(failures=("search failed",))
        except RelayError as exc:
            log.info("%s: the augmentor %s may not search: %s", call.id, augmentor.name, exc.message)
            return Gathered(failures=(f"search refused ({exc.code or exc.type})",))
        except Exception:
            log.exception("%s: the search of the augmentor %s failed by a fault of ours", call.id, augmentor.name)
            return Gathered(failures=("search failed",))
        return Gathered(results, failures=() if results else ("search found nothing",))

    async def _fetch(self, call: Call, wanted: Sequence[Wanted], deadline: float) -> Gathered:
        if not wanted:
            return Gathered()
        pages, lost = [], []
        for each in await self._pages.fetch(wanted, deadline):
            if isinstance(each, PageFailure):
                log.info("%s: a page %s", call.id, each.why)  # without its address, which may hold a secret
                lost.append(each.asked)
            else:
                pages.append(each)
        return Gathered(pages=pages, lost=tuple(lost)) if pages else Gathered(failures=("no page could be read",))


def _both(*parts: Gathered) -> Gathered:
    return Gathered(
        [result for part in parts for result in part.results],
        [page for part in parts for page in part.pages],
        tuple(failure for part in parts for failure in part.failures),
        tuple(url for part in parts for url in part.lost),
    )
