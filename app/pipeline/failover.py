"""Asks the targets of a call until one answers: again after a pause, then the next, and never after the first byte."""

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from app.core.call import Call, Choice, Route, Target
from app.core.errors import (
    DeadlineExceeded,
    NotServed,
    RelayError,
    Unavailable,
    UpstreamBusy,
    UpstreamError,
    UpstreamFailure,
)
from app.core.ports import Handler, OpenRescue
from app.core.record import Failure
from app.core.reply import End, Outcome, Reply
from app.core.retry_after import read_retry_after_s
from app.pipeline.board import Board, Ticket
from app.pipeline.failures import breaker_opened, broken_stream, failure_of
from app.pipeline.rescue import rescued

log = logging.getLogger(__name__)

# With full jitter a pause is anything between nothing and twice the last one's bound.
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 8.0

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Error statuses that another attempt may not meet again."""
_RATE_LIMITED = 429
_OUR_FAULT = frozenset({402, 403})
"""Our credit or our rights: of no use to ask again, but another target has another key. So it is where our key is refused."""


class Failover:
    """Chooses among the targets of a call's route.

    Args:
        open_rescue: for streams that are to be carried on by another target when they break off.
        sleep: for so many seconds.
    """

    def __init__(
        self,
        board: Board,
        open_rescue: OpenRescue = lambda _call: None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._board = board
        self._open_rescue = open_rescue
        self._sleep = sleep

    def handle(self, call: Call, call_next: Handler) -> Awaitable[Reply]:
        """The reply of the first target that gives one.

        Raises:
            UpstreamFailure: all failed; the last one's words.
            DeadlineExceeded: the deadline of the call came first.
            Unavailable: all are left alone for a while, because they failed too often.
        """
        route = call.route
        if route is None:
            raise ValueError("a call is sent before its name is resolved")
        choices = deque(self._in_order(route))
        if route.rescue and call.streamed and (rescue := self._open_rescue(call)) is not None:
            ask = partial(self._first_of, route=route, choices=choices, call_next=call_next)
            return rescued(call, rescue, ask)
        return self._first_of(call, route, choices, call_next)

    async def _first_of(self, call: Call, route: Route, choices: deque[Choice], call_next: Handler) -> Reply:
        """The reply of the first of `choices` that gives one; those behind it stay there."""
        failure: RelayError | None = None
        while choices:
            choice = choices.popleft()
            has_other_key = bool(choices) and choices[0].target.name == choice.target.name
            try:
                reply = await self._try(call, choice, call_next, waits=not has_other_key)
            except UpstreamFailure as exc:
                if not _may_go_on(exc):
                    raise
                failure = exc
            except NotServed as exc:
                failure = failure or exc
            else:
                if reply is not None:
                    return reply
        raise failure or self._all_open(route)

    def _in_order(self, route: Route) -> Sequence[Choice]:
        choices: Sequence[Choice] = route.choices
        if len(choices) == 1:
            return choices
        match route.strategy:
            case "order":
                choices = _shared_by_keys(choices)
            case "weighted":
                choices = sorted(choices, key=_by_lot)
            case "fastest":
                by_target = {choice.target: choice for choice in choices}
                choices = [by_target[target] for target in self._board.fastest_first(list(by_target))]
        return sorted(choices, key=lambda choice: self._board.is_limited(choice.target))

    async def _try(self, call: Call, choice: Choice, call_next: Handler, *, waits: bool) -> Reply | None:
        """The reply of one target; None where its breaker is open. `waits` when the API key's rate is used up."""
        target, bound_s = choice.target, FIRST_PAUSE_S
        failure: UpstreamFailure | None = None
        for retry in range(choice.retries + 1):
            ticket = self._board.enter(target, always=not choice.breaker)
            if not ticket:
                break
            try:
                return await self._ask(call.aimed(target), target, ticket, call_next)
            except UpstreamFailure as exc:
                failure = exc
                pause_s = self._pause_s(exc, target, bound_s)
                is_last = retry == choice.retries or (exc.status == _RATE_LIMITED and not waits)
                if is_last or not _is_passing(exc) or not _fits(pause_s, call.deadline):
                    raise
                log.info("%s: %s failed, asked again in %.2f s: %s", call.id, target, pause_s, exc.message)
                await self._sleep(pause_s)
                bound_s = min(bound_s * 2, LONGEST_PAUSE_S)
        if failure is not None:
            raise failure
        return None

    def _pause_s(self, failure: UpstreamFailure, target: Target, bound_s: float) -> float:
        """How long to wait before the same target is asked again; infinity where it says: longer than we wait."""
        told = read_retry_after_s(failure.retry_after) if isinstance(failure, UpstreamError) else None
        if told is None:
            return random.uniform(0, bound_s)
        self._board.limited(target, told)
        return told if told <= LONGEST_PAUSE_S else math.inf

    async def _ask(self, call: Call, target: Target, ticket: Ticket, call_next: Handler) -> Reply:
        """One attempt, told to the board, and where it fails, noted in the trace."""
        board, asked_at = self._board, time.monotonic()
        trace = call.trace
        trace.target = target
        trace.attempts += 1
        trace.asked_at = asked_at
        trace.warnings = ()
        try:
            reply = await (call_next(call) if call.deadline is None else _before(call.deadline, call, call_next))
        except UpstreamFailure as exc:
            opens = (board.failed if _is_targets_fault(exc) else board.left)(target, ticket)
            _note(call, failure_of(exc, target), asked_at, board.retry_s(target) if opens else 0)
            exc.headers = (*exc.headers, *_told(call))
            raise
        except BaseException:
            board.left(target, ticket)
            raise
        board.succeeded(target, ticket, time.monotonic() - asked_at)
        reply.headers += [(name.encode(), value.encode()) for name, value in _told(call)]
        reply.taps.append(_Watch(board, target, ticket, call, asked_at, reply.read_failure))
        return reply

    def _all_open(self, route: Route) -> Unavailable:
        wait_s = max(1, math.ceil(min(self._board.retry_s(choice.target) for choice in route.choices)))
        names = ", ".join(dict.fromkeys(str(choice.target) for choice in route.choices))
        return Unavailable(
            f"{names} failed too often and is left alone; it is tried again in {wait_s} s.",
            headers=(("retry-after", str(wait_s)),),
        )


class _Watch:
    """The tap that tells the board of a reply that broke off, and notes it in the trace."""

    __slots__ = ("_asked_at", "_board", "_call", "_read_failure", "_target", "_ticket")

    def __init__(
        self,
        board: Board,
        target: Target,
        ticket: Ticket,
        call: Call,
        asked_at: float,
        read_failure: Callable[[], str | None],
    ) -> None:
        self._board = board
        self._target = target
        self._ticket = ticket
        self._call = call
        self._asked_at = asked_at
        self._read_failure = read_failure

    def feed(self, chunk: bytes) -> None:
        """Only the end is of interest."""

    def close(self, end: End) -> None:
        if end.outcome in (Outcome.CUT, Outcome.ERROR):
            opens = self._board.broke(self._target, self._ticket)
            if (failure := self._failure(end)) is not None:
                _note(self._call, failure, self._asked_at, self._board.retry_s(self._target) if opens else 0)

    def _failure(self, end: End) -> Failure | None:
        """What the provider did; None where it was a fault of ours, or the gateway was shut down."""
        if isinstance(end.failure, UpstreamFailure):
            return failure_of(end.failure, self._target)
        words = self._read_failure()
        return None if words is None else broken_stream(words, end.status, self._target)


def _note(call: Call, failure: Failure, asked_at: float, left_alone_s: float) -> None:
    began_s, took_s = asked_at - call.started_at, time.monotonic() - asked_at
    failure = replace(failure, began_ms=round(began_s * 1000), took_ms=round(took_s * 1000))
    call.trace.failures += (failure,)
    if left_alone_s:
        call.trace.failures += (breaker_opened(failure, left_alone_s),)


def _told(call: Call) -> tuple[tuple[str, str], ...]:
    target = call.target
    provider = target.provider if target else ""
    return (("x-relay-provider", provider), ("x-relay-attempts", str(call.trace.attempts)))


def _may_go_on(failure: UpstreamFailure) -> bool:
    """Whether another target may answer. What is the client's fault is so everywhere."""
    if isinstance(failure, UpstreamError):
        return (
            failure.status >= 500 or failure.status in _PASSING or failure.status in _OUR_FAULT or failure.refuses_key
        )
    return not isinstance(failure, DeadlineExceeded)


def _is_targets_fault(failure: UpstreamFailure) -> bool:
    """Whether it tells of the target's health: not what it says of a request, of our key or of our rate."""
    if isinstance(failure, UpstreamError):
        return failure.status >= 500
    return not isinstance(failure, DeadlineExceeded | UpstreamBusy)


def _is_passing(failure: UpstreamFailure) -> bool:
    """Whether the same target may answer a moment later."""
    return failure.status in _PASSING if isinstance(failure, UpstreamError) else failure.may_pass


def _fits(pause_s: float, deadline: float | None) -> bool:
    return pause_s != math.inf and (deadline is None or time.monotonic() + pause_s < deadline)


async def _before(deadline: float, call: Call, call_next: Handler) -> Reply:
    """The reply, if its first byte comes before `deadline`; after it nothing is asked."""
    left_s = deadline - time.monotonic()
    if left_s > 0:
        try:
            async with asyncio.timeout(left_s) as limit:
                return await call_next(call)
        except TimeoutError:
            if not limit.expired():
                raise
    raise DeadlineExceeded(
        "The call's time was over before the first byte of an answer (x-relay-timeout-ms, CALL_TIMEOUT_S)."
    )


def _shared_by_keys(choices: Sequence[Choice]) -> Sequence[Choice]:
    """The same order of targets, the API keys of each by lot."""
    places: dict[tuple[str, str], int] = {}
    for choice in choices:
        places.setdefault(choice.target.name, len(places))
    return sorted(choices, key=lambda choice: (places[choice.target.name], random.random()))


def _by_lot(choice: Choice) -> float:
    """Sorting by this draws without putting back, in proportion to the weights (Efraimidis and Spirakis, 2006)."""
    return -(random.random() ** (1 / choice.weight)) if choice.weight > 0 else 1.0
