"""What is found on the web: results of searches, pages, and the text that a model is given of them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from app.core.frozen import frozen
from app.core.jsonio import Json
from app.core.usage import NO_USAGE, Usage

SEARCH = "search"
"""The model, surface and dialect of searches by services that are no model, and what they are called as helper calls."""

SEARCH_TARGETS = frozenset({("parallel", SEARCH), ("searxng", SEARCH)})
"""As whose their records stand, provider and model, and for which an operator may set a price."""


@frozen
class SearchResult:
    """One result.

    Attributes:
        date: of the page, as the search provider writes it; None where it does not tell.
    """

    url: str
    title: str
    snippet: str
    date: str | None = None


@frozen
class Found:
    """What a search found, best first, each page once.

    Attributes:
        usage: what it cost; searches that cost nothing have none.
    """

    results: Sequence[SearchResult]
    usage: Usage = NO_USAGE


class SearchFailed(Exception):
    """A search provider did not answer, or not with results; its words hold no key and no address of the operator's.

    Attributes:
        status: with which it answered, where it did.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SearchNotSetUp(SearchFailed):
    """What the search provider needs is not there; its words name the setting."""


class SearchProvider(Protocol):
    """Searches the web."""

    async def search(self, query: str, most: int, deadline: float) -> Found:
        """At most `most` results for `query`.

        Args:
            deadline: on the monotonic clock.

        Raises:
            SearchFailed: with words.
        """


@frozen
class Asked:
    """The reply of a helper call: its JSON as OpenAI writes chats, and what it used."""

    reply: Json
    usage: Usage


Ask = Callable[[str, float], Awaitable[Asked]]
"""Asks a model that searches by itself, before a deadline on the monotonic clock. Raises RelayError."""


@frozen
class Wanted:
    """A page to be fetched.

    Attributes:
        by_user: its address stood in what the user wrote, so that nobody's robot comes there; else robots.txt is obeyed.
    """

    url: str
    by_user: bool = False


@frozen
class Page:
    """The text of a page.

    Attributes:
        asked: the address that was asked for.
        url: where it was found in the end.
        date: as `YYYY-MM-DD`; None where the page does not tell.
    """

    asked: str
    url: str
    title: str
    text: str
    date: str | None = None


@frozen
class PageFailure:
    """Why a page could not be read, as a clause whose subject is the page."""

    asked: str
    why: str


class PageFetcher(Protocol):
    """Fetches pages."""

    async def fetch(self, wanted: Sequence[Wanted], deadline: float) -> Sequence[Page | PageFailure]:
        """All of `wanted`, in that order, before a deadline on the monotonic clock. It never raises for a page."""


@frozen
class Source:
    """A source that is in the text for the model, for citations."""

    url: str
    title: str
    date: str | None


@frozen
class Context:
    """What a model is given, and the sources that are really in it, in the order of their numbers."""

    text: str
    sources: Sequence[Source]
