"""Which target is asked, when it is asked again, and when that ends."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from app.core.call import Call, Choice, Route, Target
from app.core.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotServed,
    RelayError,
    Unavailable,
    UpstreamBusy,
    UpstreamCut,
    UpstreamError,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.reply import End, Outcome, Reply
from app.core.usage import NO_USAGE
from app.pipeline.board import CONSECUTIVE_FAILURES, Board
from app.pipeline.failover import FIRST_PAUSE_S, LONGEST_PAUSE_S, Failover
from tests.calls import make_call, make_reply

ONE, TWO, THREE = (Target(name, "m") for name in ("one", "two", "three"))
UNREACHABLE = UpstreamUnreachable("nobody there")
Outcomes = dict[Target, list[RelayError | None]]


class Providers:
    """The end of the pipeline: gives each target's next outcome, a reply where there is none left."""

    def __init__(self, outcomes: Outcomes | None = None) -> None:
        self.outcomes = outcomes or {}
        self.asked: list[Target] = []

    async def __call__(self, call: Call) -> Reply:
        assert call.target is not None
        self.asked.append(call.target)
        waiting = self.outcomes.get(call.target, [])
        error = waiting.pop(0) if waiting else None
        if error is not None:
            raise error
        return make_reply()


class Pauses(list[float]):
    """Remembers how long was waited, and does not wait."""

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)


def routed(*targets: Target, retries: int = 0, **fields: object) -> Call:
    route = Route(tuple(Choice(target, retries) for target in targets))
    return replace(make_call(), route=replace(route, **fields))  # type: ignore[arg-type]


def error(status: int, retry_after: str | None = None) -> UpstreamError:
    return UpstreamError(f"status {status}", status=status, retry_after=retry_after)


async def test_first_target_answers_and_is_told() -> None:
    providers = Providers()
    call = routed(ONE, TWO)

    reply = await Failover(Board()).handle(call, providers)

    assert providers.asked == [ONE]
    assert reply.headers == [(b"x-relay-provider", b"one"), (b"x-relay-attempts", b"1")]
    assert (call.trace.target, call.trace.attempts) == (ONE, 1)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
async def test_failure_that_may_pass_is_asked_again_with_growing_pauses(status: int) -> None:
    providers, pauses = Providers({ONE: [error(status)] * 3}), Pauses()

    reply = await Failover(Board(), sleep=pauses.sleep).handle(routed(ONE, retries=3), providers)

    assert providers.asked == [ONE] * 4
    assert len(pauses) == 3
    assert all(0 <= pause <= FIRST_PAUSE_S * 2**index for index, pause in enumerate(pauses))
    assert dict(reply.headers)[b"x-relay-attempts"] == b"4"


@pytest.mark.parametrize("failure", [UNREACHABLE, UpstreamCut("cut"), UpstreamInvalid("<html>")])
async def test_broken_connection_is_asked_again(failure: UpstreamFailure) -> None:
    providers = Providers({ONE: [failure]})

    await Failover(Board(), sleep=Pauses().sleep).handle(routed(ONE, retries=1), providers)

    assert providers.asked == [ONE, ONE]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_clients_own_fault_goes_back_at_once_and_says_nothing_about_the_target(status: int) -> None:
    providers, board = Providers({ONE: [error(status)]}), Board()

    with pytest.raises(UpstreamError) as caught:
        await Failover(board).handle(routed(ONE, TWO, retries=2), providers)

    assert (caught.value.status, providers.asked) == (status, [ONE])
    assert board.healths()[ONE].failures == 0
    assert ("x-relay-provider", "one") in caught.value.headers


async def test_error_that_opens_the_breaker_is_still_told() -> None:
    board = Board()
    failover = Failover(board, sleep=Pauses().sleep)
    providers = Providers({ONE: [error(500)] * 9})

    for _ in range(2):  # the fifth failure comes amid the retries of the second call
        with pytest.raises(UpstreamError) as caught:
            await failover.handle(routed(ONE, retries=2), providers)
        assert caught.value.status == 500

    assert len(providers.asked) == CONSECUTIVE_FAILURES


@pytest.mark.parametrize("failure", [error(401), error(403), error(429), UpstreamBusy("all in use")])
async def test_what_says_nothing_about_a_targets_health_opens_no_breaker(failure: UpstreamFailure) -> None:
    board = Board()
    providers = Providers({ONE: [failure] * CONSECUTIVE_FAILURES})

    for _ in range(CONSECUTIVE_FAILURES):
        with pytest.raises(type(failure)):
            await Failover(board).handle(routed(ONE), providers)

    assert (board.healths()[ONE].failures, board.healths()[ONE].state) == (0, "closed")


async def test_target_without_the_api_makes_way_for_the_next() -> None:
    providers = Providers({ONE: [NotServed("no embeddings")]})

    await Failover(Board()).handle(routed(ONE, TWO), providers)

    assert providers.asked == [ONE, TWO]


async def test_when_no_target_has_the_api_that_is_told() -> None:
    providers = Providers({ONE: [NotServed("one has none")], TWO: [NotServed("two has none")]})

    with pytest.raises(NotServed, match="one has none"):
        await Failover(Board()).handle(routed(ONE, TWO), providers)


@pytest.mark.parametrize(
    "failure",
    [
        error(401),
        error(402),
        error(403),
        UpstreamError("API key not valid.", status=400, refuses_key=True),
        UpstreamTimeout("slow"),
        error(501),
    ],
)
async def test_what_would_not_pass_goes_to_the_next_target_at_once(failure: UpstreamFailure) -> None:
    providers, pauses = Providers({ONE: [failure]}), Pauses()

    reply = await Failover(Board(), sleep=pauses.sleep).handle(routed(ONE, TWO, retries=2), providers)

    assert (providers.asked, pauses) == ([ONE, TWO], [])
    assert dict(reply.headers) == {b"x-relay-provider": b"two", b"x-relay-attempts": b"2"}


async def test_our_own_refusal_is_no_failure_of_the_target() -> None:
    providers, board = Providers({ONE: [InvalidRequest("no")]}), Board()

    with pytest.raises(InvalidRequest):
        await Failover(board).handle(routed(ONE, TWO), providers)

    assert (board.healths()[ONE].failures, board.healths()[ONE].under_way) == (0, 0)


async def test_all_fail_and_the_last_ones_words_are_told() -> None:
    providers = Providers({ONE: [error(500)], TWO: [error(529)]})

    with pytest.raises(UpstreamError) as caught:
        await Failover(Board()).handle(routed(ONE, TWO), providers)

    assert caught.value.status == 529
    assert ("x-relay-attempts", "2") in caught.value.headers


def in_seconds(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [(lambda: "3", [3.0]), (lambda: "0", [0.0]), (lambda: "-5", [0.0]), (lambda: in_seconds(-60), [0.0])],
)
async def test_retry_after_is_honoured(retry_after: Callable[[], str], expected: list[float]) -> None:
    providers, pauses = Providers({ONE: [error(429, retry_after())]}), Pauses()

    await Failover(Board(), sleep=pauses.sleep).handle(routed(ONE, retries=1), providers)

    assert pauses == expected


async def test_retry_after_as_a_date_is_honoured() -> None:
    providers, pauses = Providers({ONE: [error(503, in_seconds(5))]}), Pauses()

    await Failover(Board(), sleep=pauses.sleep).handle(routed(ONE, retries=1), providers)

    assert 3 < pauses[0] <= 5


async def test_longer_retry_after_than_we_wait_is_not_waited_for() -> None:
    providers, pauses = Providers({ONE: [error(429, str(LONGEST_PAUSE_S + 1))]}), Pauses()

    await Failover(Board(), sleep=pauses.sleep).handle(routed(ONE, TWO, retries=2), providers)

    assert (providers.asked, pauses) == ([ONE, TWO], [])


@pytest.mark.parametrize(
    "retry_after", ["soon", "", "Wed, 99 Foo", "nan", "inf", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"]
)
async def test_retry_after_that_says_nothing_is_left_out(retry_after: str) -> None:
    providers, pauses = Providers({ONE: [error(429, retry_after)]}), Pauses()

    await Failover(Board(), sleep=pauses.sleep).handle(routed(ONE, retries=1), providers)

    assert len(pauses) == 1


async def test_target_that_fails_too_often_is_left_alone() -> None:
    board = Board()
    failover = Failover(board)
    providers = Providers({ONE: [error(500)] * CONSECUTIVE_FAILURES})
    for _ in range(CONSECUTIVE_FAILURES):
        await failover.handle(routed(ONE, TWO), providers)
    providers.asked.clear()

    await failover.handle(routed(ONE, TWO), providers)

    assert providers.asked == [TWO]


async def test_when_all_are_left_alone_the_client_is_told_for_how_long() -> None:
    board = Board()
    failover = Failover(board)
    providers = Providers({ONE: [error(500)] * CONSECUTIVE_FAILURES})
    for _ in range(CONSECUTIVE_FAILURES):
        with pytest.raises(UpstreamError):
            await failover.handle(routed(ONE), providers)
    providers.asked.clear()

    with pytest.raises(Unavailable, match="one/m failed too often") as caught:
        await failover.handle(routed(ONE), providers)

    assert providers.asked == []
    assert dict(caught.value.headers)["retry-after"] == "10"


async def test_reply_that_breaks_off_counts_against_its_target() -> None:
    board = Board()

    reply = await Failover(board).handle(routed(ONE), Providers())
    for tap in reply.taps:
        tap.feed(b"x")
        tap.close(End(Outcome.CUT, 200, NO_USAGE, time.monotonic()))

    assert board.healths()[ONE].failures == 1


async def test_nothing_is_asked_after_the_deadline() -> None:
    providers = Providers()

    with pytest.raises(DeadlineExceeded):
        await Failover(Board()).handle(replace(routed(ONE, TWO), deadline=time.monotonic() - 1), providers)

    assert providers.asked == []


async def test_pause_that_would_end_after_the_deadline_is_not_begun() -> None:
    providers, pauses = Providers({ONE: [error(429, "5")]}), Pauses()
    call = replace(routed(ONE, TWO, retries=1), deadline=time.monotonic() + 2)

    await Failover(Board(), sleep=pauses.sleep).handle(call, providers)

    assert (providers.asked, pauses) == ([ONE, TWO], [])


async def test_target_that_hangs_is_given_up_at_the_deadline_and_not_blamed() -> None:
    board = Board()

    async def hanging(_call: Call) -> Reply:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits that long")

    with pytest.raises(DeadlineExceeded) as caught:
        await Failover(board).handle(replace(routed(ONE, TWO), deadline=time.monotonic() + 0.05), hanging)

    assert caught.value.status == 504
    assert (board.healths()[ONE].failures, TWO in board.healths()) == (0, False)


async def test_client_that_leaves_during_a_pause_ends_it() -> None:
    board, providers = Board(), Providers({ONE: [error(500)]})
    waiting = asyncio.Event()

    async def wait_for_ever(_seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    call = routed(ONE, retries=1)
    task = asyncio.ensure_future(Failover(board, sleep=wait_for_ever).handle(call, providers))
    await waiting.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert providers.asked == [ONE]
    assert board.healths()[ONE].under_way == 0


async def test_weights_decide_who_is_asked_first() -> None:
    choices = (Choice(ONE, weight=9), Choice(TWO, weight=1), Choice(THREE, weight=0))
    first: Counter[Target] = Counter()

    for _ in range(400):
        providers = Providers()
        call = replace(make_call(), route=Route(choices, "weighted"))
        await Failover(Board()).handle(call, providers)
        first[providers.asked[0]] += 1

    assert first[THREE] == 0
    assert first[ONE] > 4 * first[TWO] > 0


async def test_fastest_is_asked_first() -> None:
    board = Board()
    for target, seconds in ((ONE, 1.0), (TWO, 0.1)):
        board.succeeded(target, board.enter(target), seconds)
    providers = Providers()

    await Failover(board).handle(routed(ONE, TWO, strategy="fastest"), providers)

    assert providers.asked == [TWO]


async def test_call_without_a_route_is_a_bug() -> None:
    with pytest.raises(ValueError, match="before its name"):
        await Failover(Board()).handle(make_call(), Providers())


KEYS = tuple(Target("one", "m", secret) for secret in range(3))


async def test_api_keys_of_one_provider_share_its_calls_before_the_next_target_is_asked() -> None:
    first: Counter[Target] = Counter()

    for _ in range(200):
        providers = Providers({key: [error(401)] for key in KEYS})
        await Failover(Board()).handle(routed(*KEYS, TWO), providers)
        first[providers.asked[0]] += 1
        assert set(providers.asked[:3]) == set(KEYS)
        assert providers.asked[3:] == [TWO]

    assert all(first[key] > 20 for key in KEYS)


async def test_api_key_whose_rate_is_used_up_makes_way_for_the_next_without_a_pause() -> None:
    pauses = Pauses()
    providers = Providers({key: [error(429, "1")] * 9 for key in KEYS[:2]})

    await Failover(Board(), sleep=pauses.sleep).handle(routed(*KEYS[:2], TWO, retries=1), providers)

    assert (len(providers.asked), providers.asked[-1]) == (4, TWO)
    assert pauses == [1.0]


async def test_target_that_takes_no_more_calls_is_asked_last_until_its_time_is_over() -> None:
    now = [100.0]
    board = Board(clock=lambda: now[0])
    failover = Failover(board, sleep=Pauses().sleep)
    await failover.handle(routed(ONE, TWO), Providers({ONE: [error(429, "30")]}))
    asked = []

    for now[0] in (129.0, 131.0):
        providers = Providers()
        await failover.handle(routed(ONE, TWO), providers)
        asked += providers.asked

    assert asked == [TWO, ONE]
    assert board.healths()[ONE].state == "closed"
