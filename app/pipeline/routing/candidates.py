"""Which candidates of a router can take a request: filters, before anybody is asked."""

from collections.abc import Callable, Mapping

from app.core.abilities import UNKNOWN, Capability, Known
from app.core.book import LONGEST_WAY, target_of
from app.core.call import Call, Route, Target
from app.core.frozen import frozen
from app.core.ports import Directory, Shelf
from app.core.principal import Principal
from app.core.smart import Candidate, Router
from app.pipeline.board import Board
from app.pipeline.routing.question import Question

ROOM = 1.5
"""How many times the estimate of a request a context must hold: the reply needs room too."""

_NEEDS: Mapping[str, Capability] = {"embeddings": "embedding", "images": "image"}
"""By the surface, what a model must be able to do where that is known of it."""


@frozen
class Seen:
    """One candidate, as it stands for one request.

    Attributes:
        target: whose abilities and price are meant: the first that it leads to; None where it leads to another router, which
            chooses by itself, or nowhere.
        why_not: why it is out, in a few words; None where it is in.
    """

    candidate: Candidate
    target: Target | None = None
    known: Known = UNKNOWN
    why_not: str | None = None

    @property
    def model(self) -> str:
        """Its name, as the router has it."""
        return self.candidate.model


class Survey:
    """Looks at the candidates of routers.

    Args:
        known: what is known of a target, from memory.
    """

    def __init__(self, directory: Directory, shelf: Shelf, board: Board, known: Callable[[Target], Known]) -> None:
        self._directory = directory
        self._shelf = shelf
        self._board = board
        self._known = known

    async def look(self, router: Router, call: Call, question: Question) -> list[Seen]:
        """All candidates of `router`, in their order."""
        seen = self._look(router, call, question)
        if any(each.why_not == _GONE for each in seen):  # the lists may be on their way
            await self._directory.settled()
            seen = self._look(router, call, question)
        return seen

    def target_of(self, name: str) -> Target | None:
        """The first target that a name leads to, for whoever may use all; None where that is nowhere, or another router's to say."""
        led = self._follow(name, None, set(), None)
        return led.choices[0].target if isinstance(led, Route) else None

    def _look(self, router: Router, call: Call, question: Question) -> list[Seen]:
        principal, behind = call.principal, {step.name for step in call.way} | {router.name}
        # A token for the router is for what it leads to.
        is_free = not principal.models or any(principal.may_use(name) for name in behind)
        return [self._see(each, call, question, behind, None if is_free else principal) for each in router.candidates]

    def _see(
        self, candidate: Candidate, call: Call, question: Question, behind: set[str], bound: Principal | None
    ) -> Seen:
        """`bound` is the principal where its token is not for all that the router leads to."""
        led = self._follow(candidate.model, call.principal, behind, bound)
        if isinstance(led, str):
            return Seen(candidate, why_not=led)
        if led is None:
            return Seen(candidate)
        target = led.choices[0].target
        known = self._known(target)
        return Seen(candidate, target, known, _lacking(known, call, question) or self._resting(led))

    def _follow(
        self, name: str, principal: Principal | None, behind: set[str], bound: Principal | None
    ) -> Route | str | None:
        """The route that a name leads to, None where that is another router's to say, or why it leads nowhere."""
        for _ in range(LONGEST_WAY):
            entry = self._shelf.book.find(name)
            if entry is None:
                return self._route(name, bound)
            model = entry.model
            if model.name in behind:
                return "leads in a circle"
            if principal is not None and not model.may_be_used_by(principal.token_id, principal.username):
                return _REFUSED
            if bound is not None and bound.may_use(model.name):
                bound = None
            if isinstance(model, Router):
                return None
            behind = behind | {model.name}
            name = target_of(model, name)
        return "leads on and on"

    def _route(self, name: str, bound: Principal | None) -> Route | str:
        route = self._directory.find(name)
        if route is None:
            return "is switched off" if self._directory.withheld(name) is not None else _GONE
        if bound is not None and not route.choices_for(bound):
            return _REFUSED
        return route

    def _resting(self, route: Route) -> str | None:
        if any(not choice.breaker or self._board.retry_s(choice.target) == 0 for choice in route.choices):
            return None
        return "is left alone for a while because it failed too often"


_GONE = "is not there"
_REFUSED = "the token may not use it"


def _lacking(known: Known, call: Call, question: Question) -> str | None:
    """What the request needs that the model does not have. What is not known of it, it may have."""
    length, capabilities = known.abilities.context_length, known.abilities.capabilities
    if length is not None and length < ROOM * question.tokens:
        return f"its context of {length} tokens is too short"
    if capabilities is None:
        return None
    if question.images and "vision" not in capabilities:
        return "takes no pictures"
    if question.tools and "tools" not in capabilities:
        return "takes no tools"
    needed = _NEEDS.get(call.surface)
    return f"does not offer {needed}" if needed is not None and needed not in capabilities else None
