"""What a router would have chosen for calls that were made before, held against what happened."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.core.book import Book, Entry
from app.core.call import Call, Target
from app.core.errors import RelayError
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.money import from_pico_usd
from app.core.ports import Estimate, PriceList
from app.core.principal import Principal
from app.core.record import CallRecord
from app.core.smart import Router
from app.core.usage import COUNTS, Usage
from app.dialects.conversation import read_chat, read_question_answer, write_question
from app.dialects.estimate import estimate
from app.pipeline import build_sender
from app.pipeline.asking import Asker
from app.pipeline.board import Board
from app.pipeline.routing.choosing import DesignatorChooser
from app.pipeline.routing.decision import Chooser
from app.pipeline.routing.question import Question, QuestionReader
from app.providers.registry import Registry
from app.smart.offline import ASKED, offline_router, target_of_each
from app.smart.outcomes import InvalidOutcomes, read_prompt

_READER = QuestionReader(read_chat, estimate)


@dataclass(frozen=True)
class Past:
    """A call that was made, or might have been.

    Attributes:
        question: as far as it is known.
        is_whole: all that it asked is known, not only how many tokens that was.
        target: who answered; None where that is not known.
        usage: what it used, or is likely to.
        cost: in USD; None where it is not known.
        at: seconds since the epoch.
    """

    call: Call
    question: Question
    is_whole: bool
    target: str | None
    usage: Usage
    cost: Decimal | None
    at: float


@dataclass
class Tally:
    """What became of all of them.

    Attributes:
        chosen: how often each model would be.
        same, flips: how many would go where they went, and elsewhere; of `compared`, of which that is known.
        asked: where a designator would be asked, and was not.
        untold: of which too little is known.
        fallbacks: how many would go to the fallback for want of a choice.
        before, after: what those cost, and would cost, of which both are known: `priced`.
        designators: what designators cost that were asked now.
    """

    calls: int = 0
    compared: int = 0
    flips: int = 0
    asked: int = 0
    untold: int = 0
    fallbacks: int = 0
    priced: int = 0
    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    designators: Decimal = Decimal(0)
    chosen: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fate:
    """One of them: `chosen` is None where that cannot be told, and `why` says so."""

    past: Past
    chosen: str | None
    why: str
    cost: Decimal | None = None
    is_flip: bool = False


class Replay:
    """Decides anew. Breakers are all closed, tokens may use all, and no conversation has a model yet.

    Args:
        asks: designators are asked, which costs what they cost; these calls are not recorded.
    """

    def __init__(self, registry: Registry, book: Book, prices: PriceList, entry: Entry, *, asks: bool = False) -> None:
        self._prices = prices
        self._entry = entry
        self._questions: dict[str, Question] = {}
        self._now = 0.0
        router = _router_of(entry)
        self._spent = _Spent()
        chooser: Chooser | None = None
        if asks:
            sender = build_sender(registry, self._spent, Board(), prices)
            asker = Asker(registry, sender, write_question, read_question_answer)
            chooser = DesignatorChooser(asker, registry, prices, registry.known)
        self._stage = offline_router(registry, book, prices, self._questions, lambda: self._now, chooser)
        self._targets = target_of_each(registry, book, router)
        self._fallback = registry.find(router.fallback_model)
        self.tally = Tally()

    async def decide(self, past: Past) -> Fate:
        """What would be chosen for one call; it is added to the tally."""
        fate = await self._fate(past)
        self._add(fate)
        self.tally.designators = self._spent.cost
        return fate

    async def _fate(self, past: Past) -> Fate:
        router = _router_of(self._entry)
        if not past.is_whole and not _goes_by_numbers(router):
            self.tally.untold += 1
            return Fate(past, None, "what it asked was not kept")
        self._now = past.at
        self._questions[past.call.id] = past.question
        try:
            decision = await self._stage.decide(past.call, self._entry)
        finally:
            del self._questions[past.call.id]
        if decision.failure is not None and decision.failure.reason == ASKED:
            self.tally.asked += 1
            return Fate(past, None, decision.failure.words)
        if decision.failure is not None:
            self.tally.fallbacks += 1
        target = self._target(decision.model)
        cost = None if target is None else self._prices.price(target, past.usage._replace(cost=None), past.at).cost
        is_flip = target is not None and past.target is not None and str(target).lower() != past.target.lower()
        return Fate(past, decision.model, decision.why, cost, is_flip)

    def _target(self, model: str) -> Target | None:
        if model in self._targets:
            return self._targets[model]
        is_fallback = model == _router_of(self._entry).fallback_model
        return self._fallback.choices[0].target if is_fallback and self._fallback is not None else None

    def _add(self, fate: Fate) -> None:
        tally = self.tally
        tally.calls += 1
        if fate.chosen is None:
            return
        tally.chosen[fate.chosen] = tally.chosen.get(fate.chosen, 0) + 1
        if fate.past.target is not None:
            tally.compared += 1
            tally.flips += fate.is_flip
        if fate.cost is not None and fate.past.cost is not None:
            tally.priced += 1
            tally.before += fate.past.cost
            tally.after += fate.cost


def past_of_row(row: Mapping[str, Any], body: bytes | None, dialects: Mapping[str, str]) -> Past:
    """A call of the log, with what it asked where that was kept as a whole.

    Args:
        dialects: by the names of surfaces.
    """
    usage = Usage(**{name: row[_column(name)] for name in COUNTS if _column(name) in row})
    call = _call(row["id"], row["surface"], dialects.get(row["surface"], ""), body, row)
    question = _READER.read(call) if body is not None and call.payload else None
    is_whole = question is not None and question.request is not None
    target = f"{row['provider']}/{row['model']}" if row["provider"] and row["model"] else None
    cost = None if row["cost"] is None else from_pico_usd(row["cost"])
    return Past(
        call,
        question
        if question is not None and is_whole
        else Question(Estimate(usage.prompt, usage.completion or None), None),
        is_whole,
        target,
        usage,
        cost,
        row["received_at"] / 1000,
    )


def past_of_lines(lines: Iterable[str], price: Callable[[str, Usage], Decimal | None]) -> Iterable[Past]:
    """Those of a file: lines of JSON with `prompt` or `messages`, and perhaps `model`, who answered then.

    Args:
        price: what a usage of a `provider/model` costs.

    Raises:
        InvalidOutcomes: a line is none.
    """
    now = time.time()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = loads(line)
            read_prompt(document)
        except (InvalidJson, RelayError, ValueError) as exc:
            raise InvalidOutcomes(f"Line {number}: {exc}") from exc
        messages = document.get("messages") or [{"role": "user", "content": document["prompt"]}]
        payload = {"model": "m", "messages": messages, "tools": document.get("tools") or []}
        call = _call(f"line-{number}", "chat", "openai", dumps(payload), {})
        question = _READER.read(call)
        model = document.get("model")
        target = model if isinstance(model, str) else None
        yield Past(
            call, question, True, target, question.usage, None if target is None else price(target, question.usage), now
        )


def _column(name: str) -> str:
    return name if name in ("images", "searches", "audio_ms", "requests") else f"{name}_tokens"


def _call(call_id: str, surface: str, dialect: str, body: bytes | None, row: Mapping[str, Any]) -> Call:
    payload: Json = {}
    if body is not None:
        try:
            payload = loads(body)
        except InvalidJson:  # it was cut, or is a form
            payload = {}
    return Call(
        id=call_id,
        principal=Principal(row.get("token_id") or "", row.get("username") or "", 0),
        surface=surface,
        dialect=dialect,
        name="m",
        body=body or b"",
        payload=payload if isinstance(payload, dict) else {},
        streamed=False,
        wants_usage=True,
        started_at=time.monotonic(),
        received_at=time.time(),
        client="",
        end_user=row.get("end_user"),
    )


def _goes_by_numbers(router: Router) -> bool:
    """It can be told by the number of tokens and the time what it chooses."""
    if router.strategy == "rules":
        return all(rule.pattern is None and rule.images is None and rule.tools is None for rule in router.rules)
    return router.strategy == "cheapest"


def _router_of(entry: Entry) -> Router:
    if not isinstance(entry.model, Router):
        raise TypeError(f"{entry.model.name!r} is no router")
    return entry.model


class _Spent:
    """Takes the records of designators' calls, and keeps what they cost."""

    def __init__(self) -> None:
        self.cost = Decimal(0)

    def record(self, *records: CallRecord) -> None:
        """Add them up."""
        self.cost += sum((record.cost or Decimal(0) for record in records), Decimal(0))
