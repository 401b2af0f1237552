"""A router's stage for commands: it decides about calls that were made before, and asks nobody."""

from collections.abc import Callable, Mapping, Sequence

from app.core.book import Book
from app.core.call import Call, Target
from app.core.ports import PriceList
from app.core.smart import Router as RouterModel
from app.pipeline.board import Board
from app.pipeline.router import Router
from app.pipeline.routing.candidates import Seen, Survey
from app.pipeline.routing.decision import Chooser, NotChosen
from app.pipeline.routing.question import Question, QuestionReader
from app.providers.registry import Registry

ASKED = "asked"
"""Why nothing was chosen, where a designator would have been asked."""


class _Shelf:
    def __init__(self, book: Book) -> None:
        self.book = book


class _NoChooser:
    async def choose(
        self, call: Call, router: RouterModel, viable: Sequence[Seen], question: Question, deadline: float
    ) -> str:
        raise NotChosen(ASKED, "the designator would be asked")


class _NoSessions:
    async def find(self, key: str) -> str | None:
        return None

    def keep(self, key: str, model: str, ttl_s: float, *, instead_of: str | None = None) -> None:
        """What is only tried is not kept."""


class _Known(QuestionReader):
    """Questions that were read before, by the ids of their calls."""

    def __init__(self, questions: Mapping[str, Question]) -> None:
        self._questions = questions

    def read(self, call: Call) -> Question:
        return self._questions[call.id]


def target_of_each(registry: Registry, book: Book, router: RouterModel) -> Mapping[str, Target]:
    """What the candidates of a router lead to, by their names; those that lead nowhere, or to another router, are not there."""
    survey, found = _survey(registry, book), {}
    for candidate in router.candidates:
        if (target := survey.target_of(candidate.model)) is not None:
            found[candidate.model] = target
    return found


def offline_router(
    registry: Registry,
    book: Book,
    prices: PriceList,
    questions: Mapping[str, Question],
    clock: Callable[[], float],
    chooser: Chooser | None = None,
) -> Router:
    """Decides about calls by what they ask: `questions`, by their ids. Every conversation is at its beginning.

    Args:
        chooser: asks designators; where there is none, choosing fails with `ASKED`.
    """
    survey, reader = _survey(registry, book), _Known(questions)
    return Router(survey, reader, chooser or _NoChooser(), _NoSessions(), Board(), prices, clock=clock)


def _survey(registry: Registry, book: Book) -> Survey:
    return Survey(registry, _Shelf(book), Board(), registry.known)
