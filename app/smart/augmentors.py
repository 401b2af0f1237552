"""What belongs to augmentors, wired together. What reaches for the web is opened with the first call that needs it."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import httpx

from app.core.call import Call
from app.core.ports import NoteFailure
from app.core.smart import Augmentor
from app.core.web import Context, Page, PageFailure, SearchResult, Wanted
from app.dialects.conversation import last_user_text, read_chat
from app.dialects.insertion import with_message
from app.pipeline.asking import Asker
from app.pipeline.augmenting.gathering import Gatherer
from app.pipeline.augmentor import SmartAugmentor
from app.pipeline.searching import Searcher
from app.settings import Settings
from app.smart.stats import Stats

if TYPE_CHECKING:
    from app.smart.searches import Searches
    from app.web.page import Pages


class Augmentors:
    """All of it.

    Attributes:
        stage: what does with calls for augmentors what there is to do.
    """

    def __init__(
        self,
        settings: Settings,
        transport: httpx.AsyncBaseTransport,
        asker: Asker,
        searcher: Searcher,
        stats: Stats,
        note_failure: NoteFailure,
    ) -> None:
        self._web = _Web(settings, transport, asker, searcher)
        self.stage = SmartAugmentor(
            asker,
            Gatherer(self._web.search, self._web),
            read_chat=read_chat,
            read_text=last_user_text,
            with_message=with_message,
            write_context=_write_context,
            count=stats.counter("augmentor"),
            note_failure=note_failure,
            lacks=self._web.lacks,
        )

    async def aclose(self) -> None:
        """Close all connections, and end the processes that parse."""
        await self._web.aclose()


class _Web:
    """What this worker searches and fetches by, imported and opened when it is first needed."""

    def __init__(
        self, settings: Settings, transport: httpx.AsyncBaseTransport, asker: Asker, searcher: Searcher
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._asker = asker
        self._searcher = searcher
        self._searches: Searches | None = None
        self._pages: Pages | None = None

    async def search(self, call: Call, augmentor: Augmentor, query: str, deadline: float) -> Sequence[SearchResult]:
        """See `Searches`."""
        return await self._open_searches().search(call, augmentor, query, deadline)

    def lacks(self, augmentor: Augmentor) -> str | None:
        """See `Searches`."""
        return self._open_searches().lacks(augmentor)

    async def fetch(self, wanted: Sequence[Wanted], deadline: float) -> Sequence[Page | PageFailure]:
        """See `Pages`."""
        if self._pages is None:
            from app.web.page import Pages

            settings = self._settings
            ca_file = str(settings.ca_file) if settings.ca_file else None
            self._pages = Pages(settings.web_allow, ca_file=ca_file, ttl_s=settings.web_page_ttl_s)
        return await self._pages.fetch(wanted, deadline)

    async def aclose(self) -> None:
        """Close what was opened."""
        if self._pages is not None:
            await self._pages.aclose()

    def _open_searches(self) -> "Searches":
        if self._searches is None:
            from app.smart.searches import Searches

            self._searches = Searches(self._settings, self._transport, self._asker, self._searcher)
        return self._searches


def _write_context(
    results: Sequence[SearchResult], pages: Sequence[Page], budget_tokens: int, today: date
) -> Context | None:
    from app.web.context import write_context

    return write_context(results, pages, budget_tokens, today)
