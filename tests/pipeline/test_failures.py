"""What an operator is told of a failed attempt: the kind, the provider's own status, and no key."""

from dataclasses import replace

import pytest

from app.core.call import Call, Choice, Route, Target
from app.core.errors import (
    InvalidRequest,
    NotServed,
    RelayError,
    UpstreamBusy,
    UpstreamCut,
    UpstreamError,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.record import Failure
from app.core.redaction import MARK
from app.core.reply import End, Outcome, Reply
from app.core.usage import NO_USAGE
from app.pipeline.board import CONSECUTIVE_FAILURES, Board
from app.pipeline.failover import Failover
from app.pipeline.failures import broken_stream, failure_of
from tests.calls import make_call, make_reply

ONE, TWO = Target("one", "m"), Target("two", "m")


def error(status: int, message: str = "no", **fields: object) -> UpstreamError:
    return UpstreamError(message, status=status, **fields)  # type: ignore[arg-type]


def routed(*targets: Target, retries: int = 0) -> Call:
    return replace(make_call(), route=Route(tuple(Choice(target, retries) for target in targets)))


class Providers:
    """Gives each target's next outcome: what it raises, or the reply."""

    def __init__(self, outcomes: dict[Target, list[RelayError | Reply]]) -> None:
        self._outcomes = outcomes

    async def __call__(self, call: Call) -> Reply:
        assert call.target is not None
        outcome = self._outcomes[call.target].pop(0)
        if isinstance(outcome, Reply):
            return outcome
        raise outcome


def ended(outcome: Outcome, error: str | None = None, failure: RelayError | None = None) -> End:
    return End(outcome, 200, NO_USAGE, 0.0, error, failure=failure)


@pytest.mark.parametrize(
    ("exc", "kind", "status"),
    [
        (error(401), "auth_error", 401),
        (error(402, "Insufficient credits"), "auth_error", 402),
        (error(403), "auth_error", 403),
        (error(400, "API key not valid", refuses_key=True), "auth_error", 400),
        (error(404), "not_found", 404),
        (error(408), "timeout", 408),
        (error(429), "rate_limit", 429),
        (error(500), "server_error", 500),
        (error(529), "server_error", 529),
        (error(400), "bad_request", 400),
        (error(422), "bad_request", 422),
        (UpstreamUnreachable("nobody"), "unreachable", 0),
        (UpstreamBusy("all in use"), "unreachable", 0),
        (UpstreamCut("broke off"), "unreachable", 0),
        (UpstreamTimeout("too slow"), "timeout", 0),
        (UpstreamInvalid("<html>"), "server_error", 0),
    ],
)
def test_kind_and_status_are_the_providers_own(exc: UpstreamFailure, kind: str, status: int) -> None:
    assert failure_of(exc, ONE) == Failure(kind, "one", "m", status, exc.message)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "Invalid model 'gpt-9'. Permitted models can be found in the documentation."),
        (400, "The requested model 'this-model-does-not-exist' does not exist."),
        (403, "The model `gpt-9` does not exist or you do not have access to it."),
        (500, "unknown model: gpt-9"),
        (400, "models/gemini-9 is not found for API version v1beta"),
        (400, "The model `gpt-3.5-turbo-0613` has been deprecated, learn more here"),
        (400, 'model "gpt-9" not found, try pulling it first'),
    ],
)
def test_words_that_a_model_is_unknown_count_more_than_the_status(status: int, words: str) -> None:
    assert failure_of(error(status, words), ONE).kind == "not_found"


def test_code_of_an_unknown_model_counts_more_than_the_status() -> None:
    assert failure_of(error(400, "no", code="model_not_found"), ONE).kind == "not_found"


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (400, "Unsupported parameter: 'max_tokens' is not supported with this model.", "bad_request"),
        (400, "This model's maximum context length is 8192 tokens.", "bad_request"),
        (500, "Invalid model output", "server_error"),
        (503, "The model is overloaded. Please try again later.", "server_error"),
        (429, "Rate limit exceeded: free-models-per-min.", "rate_limit"),
    ],
)
def test_words_that_only_mention_a_model_change_nothing(status: int, words: str, kind: str) -> None:
    assert failure_of(error(status, words), ONE).kind == kind


def test_key_in_the_words_or_the_name_of_a_model_is_not_noted() -> None:
    failure = failure_of(error(401, "Incorrect API key sk-abcdefghijkl"), Target("one", "lr_Ab3dEf9h_secretsecret"))

    assert failure == Failure("auth_error", "one", MARK, 401, f"Incorrect API key {MARK}")
    assert broken_stream("sk-abcdefghijkl is wrong", 200, ONE).message == f"{MARK} is wrong"


async def test_attempt_that_failed_is_noted_also_where_the_next_one_answers() -> None:
    call = routed(ONE, TWO)

    await Failover(Board()).handle(call, Providers({ONE: [error(401, "no such key")], TWO: [make_reply()]}))

    assert call.trace.failures == (Failure("auth_error", "one", "m", 401, "no such key"),)
    assert call.trace.target == TWO


async def test_every_attempt_of_a_call_that_fails_is_noted() -> None:
    call = routed(ONE, TWO)

    with pytest.raises(UpstreamError):
        await Failover(Board()).handle(call, Providers({ONE: [UpstreamTimeout("slow")], TWO: [error(503, "down")]}))

    assert [(each.kind, each.provider, each.status) for each in call.trace.failures] == [
        ("timeout", "one", 0),
        ("server_error", "two", 503),
    ]


@pytest.mark.parametrize("exc", [NotServed("not by this API"), InvalidRequest("no")])
async def test_what_no_provider_said_is_not_noted(exc: RelayError) -> None:
    call = routed(ONE)

    with pytest.raises(InvalidRequest):
        await Failover(Board()).handle(call, Providers({ONE: [exc]}))

    assert call.trace.failures == ()


async def test_call_that_goes_well_has_nothing_noted() -> None:
    call = routed(ONE)

    reply = await Failover(Board()).handle(call, Providers({ONE: [make_reply()]}))
    reply.taps[0].close(ended(Outcome.OK))

    assert call.trace.failures == ()


async def test_stream_that_broke_off_is_noted() -> None:
    call = routed(ONE)
    reply = await Failover(Board()).handle(call, Providers({ONE: [make_reply()]}))

    reply.taps[0].close(ended(Outcome.CUT, "broke off", UpstreamCut("one broke off")))

    assert call.trace.failures == (Failure("unreachable", "one", "m", 0, "one broke off"),)


async def test_error_in_the_midst_of_a_stream_is_noted_by_the_providers_words() -> None:
    call = routed(ONE)
    reply = await Failover(Board()).handle(
        call, Providers({ONE: [make_reply(read_failure=lambda: "The server had an error")]})
    )

    reply.taps[0].close(ended(Outcome.ERROR, "The server had an error"))

    assert call.trace.failures == (Failure("server_error", "one", "m", 200, "The server had an error"),)


@pytest.mark.parametrize("outcome", [Outcome.CUT, Outcome.ERROR, Outcome.CLIENT_GONE])
async def test_end_that_is_not_the_providers_doing_is_not_noted(outcome: Outcome) -> None:
    call = routed(ONE)
    reply = await Failover(Board()).handle(call, Providers({ONE: [make_reply()]}))

    reply.taps[0].close(ended(outcome, "The gateway is shutting down."))

    assert call.trace.failures == ()


async def test_breaker_that_opens_is_noted_once_with_what_opened_it() -> None:
    board = Board(clock=lambda: 100.0)
    failover, calls = Failover(board), [routed(ONE) for _ in range(CONSECUTIVE_FAILURES)]

    for call in calls:
        with pytest.raises(UpstreamError):
            await failover.handle(call, Providers({ONE: [error(503, "down")]}))

    assert [len(call.trace.failures) for call in calls] == [*[1] * (CONSECUTIVE_FAILURES - 1), 2]
    opened = calls[-1].trace.failures[-1]
    assert (opened.kind, opened.provider, opened.model, opened.status) == ("breaker_open", "one", "m", 0)
    assert opened.message == "It failed too often and is left alone for 10 s. down"
