"""Routers: a model picks the model that answers a call, or a rule does."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

from app.core.book import Entry
from app.core.call import Call, Target
from app.core.errors import UnknownModel
from app.core.explained import CandidateView, Explained
from app.core.naming import normalise
from app.core.ports import CountFailure, Handler, PriceList, Sessions
from app.core.reply import Reply
from app.core.smart import Router as RouterModel
from app.pipeline.board import Board
from app.pipeline.routing.candidates import Seen, Survey
from app.pipeline.routing.decision import Chooser, Decision, NotChosen
from app.pipeline.routing.learned import DEFAULT_MAX_LOSS, NEVER, Learned, UnusableModel, pick, read_learned
from app.pipeline.routing.prices import cheapest
from app.pipeline.routing.question import Question, QuestionReader
from app.pipeline.routing.rules import holds
from app.pipeline.routing.sessions import session_key

log = logging.getLogger(__name__)

_BY_DESIGNATOR = ("per_request", "per_session")


class Router:
    """The stage of routers.

    Args:
        chooser: asks designators.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        survey: Survey,
        reader: QuestionReader,
        chooser: Chooser,
        sessions: Sessions,
        board: Board,
        prices: PriceList,
        count: CountFailure = lambda _kind, _name, _reason: None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._survey = survey
        self._reader = reader
        self._chooser = chooser
        self._sessions = sessions
        self._board = board
        self._prices = prices
        self._count = count
        self._clock = clock
        self._learned: dict[str, tuple[object, Learned | UnusableModel]] = {}

    async def handle(self, call: Call, entry: Entry, call_next: Handler) -> Reply:
        """The reply of the candidate that is chosen, or of the fallback."""
        router = _router_of(entry)
        decision = await self.decide(call, entry)
        if decision.failure is not None:
            self._tell(call, router, decision.failure)
        try:
            return await call_next(call.led(router.kind, router.name, decision.model))
        except UnknownModel as exc:
            if decision.model == router.fallback_model:
                raise
            log.info("%s: the candidate %r of the router %r: %s", call.id, decision.model, router.name, exc.message)
        self._tell(call, router, NotChosen("gone", "the candidate chosen is not there"))
        return await call_next(call.led(router.kind, router.name, router.fallback_model))

    async def explain(self, call: Call, entry: Entry) -> Explained:
        """What it would do. No designator is asked: where it is its turn, all that it could choose come next."""
        router, question = _router_of(entry), self._reader.read(call)
        seen = await self._survey.look(router, call, question)
        viable = [each for each in seen if each.why_not is None]
        views = tuple(CandidateView(each.model, each.why_not) for each in seen)
        if self._is_asked(router, viable, question):
            kept = await self._kept(call, entry, viable, question)
            if kept is not None:
                return Explained((kept,), (f"The conversation has {kept} already.",), views)
            notes = (
                f"The designator {router.designator_model} picks one, and {router.fallback_model} stands in for it.",
            )
            asked = (router.designator_model,) if router.designator_model else ()
            models = dict.fromkeys((*[each.model for each in viable], router.fallback_model))
            return Explained(tuple(models), notes, views, asked)
        decision = self._choose(call, entry, viable, question)
        return Explained((decision.model,), (decision.why,), views)

    async def decide(self, call: Call, entry: Entry) -> Decision:
        """What is chosen; a designator is asked where it is its turn."""
        router, began = _router_of(entry), time.monotonic()
        question = self._reader.read(call)
        seen = await self._survey.look(router, call, question)
        viable = [each for each in seen if each.why_not is None]
        if not self._is_asked(router, viable, question):
            return self._choose(call, entry, viable, question)
        deadline = _deadline(call, router, began)
        try:
            return await self._designate(call, entry, viable, question, deadline)
        except NotChosen as exc:
            return Decision(router.fallback_model, "The designator failed.", exc)

    def _is_asked(self, router: RouterModel, viable: Sequence[Seen], question: Question) -> bool:
        return router.strategy in _BY_DESIGNATOR and len(viable) > 1 and question.request is not None

    async def _designate(
        self, call: Call, entry: Entry, viable: Sequence[Seen], question: Question, deadline: float
    ) -> Decision:
        router = _router_of(entry)
        if router.strategy == "per_request":
            model = await self._chooser.choose(call, router, viable, question, deadline)
            return Decision(model, "The designator chose it.")
        key, before = session_key(entry.id, call, question), None
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                before = await self._sessions.find(key)
        except TimeoutError:
            raise NotChosen("timeout", "the session was not found in time") from None
        if before is not None and any(each.model == before for each in viable):
            return Decision(before, "The conversation has it already.")
        model = await self._chooser.choose(call, router, viable, question, deadline)
        self._sessions.keep(key, model, router.session_ttl_s, instead_of=before)
        return Decision(model, "The designator chose it, for the conversation.")

    async def _kept(self, call: Call, entry: Entry, viable: Sequence[Seen], question: Question) -> str | None:
        if _router_of(entry).strategy != "per_session":
            return None
        kept = await self._sessions.find(session_key(entry.id, call, question))
        return kept if any(each.model == kept for each in viable) else None

    def _choose(self, call: Call, entry: Entry, viable: Sequence[Seen], question: Question) -> Decision:
        """What needs no designator."""
        router = _router_of(entry)
        if not viable:
            words = "no candidate can take the request"
            return Decision(router.fallback_model, f"{words.capitalize()}.", NotChosen("no_candidate", words))
        if router.strategy == "rules":
            return self._by_rule(router, viable, question)
        if len(viable) == 1:
            return Decision(viable[0].model, "No other candidate can take the request.")
        match router.strategy:
            case "cheapest":
                seen, cost = cheapest(self._prices, viable, question, self._clock())
                return Decision(seen.model, _why_cheapest(cost))
            case "fastest":
                return Decision(self._fastest(viable), "Its first byte comes soonest, of two taken at random.")
            case "learned" if question.request is not None:
                return self._by_learning(router, entry, viable, question)
        return Decision(viable[0].model, "It is the first that can take what is no chat.")

    def _by_rule(self, router: RouterModel, viable: Sequence[Seen], question: Question) -> Decision:
        at, models = self._clock(), {normalise(each.model): each.model for each in viable}
        for number, rule in enumerate(router.rules, 1):
            model = models.get(normalise(rule.model))
            if model is not None and holds(rule, question, at):
                return Decision(model, f"Rule {number} holds.")
        return Decision(router.fallback_model, "No rule holds whose model can take the request.")

    def _fastest(self, viable: Sequence[Seen]) -> str:
        by_target: dict[Target, str] = {}
        for seen in viable:
            if seen.target is not None:
                by_target.setdefault(seen.target, seen.model)
        return by_target[self._board.fastest_first(list(by_target))[0]] if by_target else viable[0].model

    def _by_learning(self, router: RouterModel, entry: Entry, viable: Sequence[Seen], question: Question) -> Decision:
        learned = self._read_learned(entry)
        if isinstance(learned, UnusableModel):
            return Decision(
                router.fallback_model, f"{str(learned).capitalize()}.", NotChosen("untrained", str(learned))
            )
        threshold = learned.threshold(router.max_quality_loss or DEFAULT_MAX_LOSS)
        model, chance = pick(learned, question, {each.model for each in viable}, threshold)
        if model is None:
            words = "the training knew none of the candidates that are left"
            return Decision(router.fallback_model, f"{words.capitalize()}.", NotChosen("untrained", words))
        bound = "no threshold is sure enough" if threshold == NEVER else f"{threshold:.2f} is enough"
        return Decision(model, f"It is as good as the best with a probability of {chance:.2f}; {bound}.")

    def _read_learned(self, entry: Entry) -> Learned | UnusableModel:
        """What the router learned, read once for as long as it stays the same."""
        known = self._learned.get(entry.id)
        if known is not None and known[0] is entry.learned:
            return known[1]
        learned: Learned | UnusableModel
        try:
            learned = UnusableModel("it was not trained yet") if entry.learned is None else read_learned(entry.learned)
        except UnusableModel as exc:
            learned = exc
        self._learned[entry.id] = (entry.learned, learned)
        return learned

    def _tell(self, call: Call, router: RouterModel, failure: NotChosen) -> None:
        """Count that the fallback stands in, and have the record say so."""
        call.trace.notes += (f"router {router.name}: {failure.words}",)
        self._count(router.kind, router.name, failure.reason)
        log.info("%s: router %s: %s; %r answers", call.id, router.name, failure.words, router.fallback_model)


def _router_of(entry: Entry) -> RouterModel:
    if not isinstance(entry.model, RouterModel):
        raise TypeError(f"{entry.model.name!r} is no router")
    return entry.model


def _deadline(call: Call, router: RouterModel, began: float) -> float:
    """By when a decision is needed, on the monotonic clock. Of a client's own deadline it takes no more than half."""
    deadline = began + router.time_budget_ms / 1000
    return deadline if call.deadline is None else min(deadline, began + max(0.0, call.deadline - began) / 2)


def _why_cheapest(cost: Decimal | None) -> str:
    return "No price is known; it is the first." if cost is None else f"It costs least, some ${cost:.6f}."
