"""What finished calls add to the metrics, and that clients cannot make up labels."""

from decimal import Decimal
from typing import Any

import pytest

from app.core.errors import (
    AuthenticationFailed,
    BodyTooLarge,
    BudgetExhausted,
    InvalidRequest,
    LimitReached,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    RelayError,
    Unavailable,
)
from app.core.record import Failure
from app.core.reply import Outcome
from app.core.usage import NO_USAGE, Usage
from app.metering.metrics import MOST_UNLISTED, OTHER, Metrics, added
from tests.calls import make_record

LISTED = frozenset({("openai", "gpt-x")})
GPT = ("openai", "gpt-x")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: LISTED)


def series(metrics: Metrics, name: str) -> dict[Any, Any]:
    return dict(metrics.values().get(name, {}))


def test_call_is_counted_by_what_became_of_it(metrics: Metrics) -> None:
    gone = {"outcome": Outcome.CLIENT_GONE, "status": 499}

    metrics.observe([make_record(), make_record(), make_record(**gone, surface="messages")])

    assert series(metrics, "calls") == {
        (*GPT, "chat", "ok", "2xx"): 2,
        (*GPT, "messages", "client_gone", "4xx"): 1,
    }


def test_call_that_asked_nobody_is_counted_without_a_target(metrics: Metrics) -> None:
    metrics.observe([make_record(provider=None, model=None, outcome=Outcome.ERROR, status=404, usage=NO_USAGE)])

    assert series(metrics, "calls") == {("", "", "chat", "error", "4xx"): 1}


def test_tokens_are_counted_by_class(metrics: Metrics) -> None:
    usage = Usage(
        input=1,
        cache_read=2,
        cache_write=3,
        cache_write_1h=4,
        input_audio=5,
        input_image=6,
        output=7,
        reasoning=8,
        output_audio=9,
        output_image=10,
    )

    metrics.observe([make_record(usage=usage), make_record(usage=Usage(input=100))])

    tokens = {labels[2]: count for labels, count in series(metrics, "tokens").items()}
    assert tokens == {
        "input": 101,
        "cache_read": 2,
        "cache_write": 3,
        "cache_write_1h": 4,
        "input_audio": 5,
        "input_image": 6,
        "output": 7,
        "reasoning": 8,
        "output_audio": 9,
        "output_image": 10,
    }
    assert sum(tokens.values()) == usage.total + 100


def test_costs_are_added_and_an_unknown_one_is_none(metrics: Metrics) -> None:
    metrics.observe([make_record(cost=Decimal("0.25")), make_record(cost=Decimal("0.5")), make_record(cost=None)])

    assert series(metrics, "cost_usd") == {GPT: 0.75}


def test_times_fall_into_buckets(metrics: Metrics) -> None:
    metrics.observe([make_record(total_ms=ms, first_byte_ms=None) for ms in (100, 101, 400_000)])

    numbers = series(metrics, "call_duration_seconds")[GPT]
    assert numbers[:2] == [1, 1]  # up to 0.1 s, up to 0.25 s
    assert numbers[-2] == 1  # longer than all bounds
    assert numbers[-1] == pytest.approx(400.201)
    assert series(metrics, "first_byte_seconds") == {}


def test_helper_calls_cost_and_use_tokens_but_are_no_calls_of_clients(metrics: Metrics) -> None:
    metrics.observe([make_record(helper="designator", parent_id="req_1", cost=Decimal(1))])

    assert series(metrics, "calls") == {}
    assert series(metrics, "helper_calls") == {(*GPT, "designator"): 1}
    assert series(metrics, "cost_usd") == {GPT: 1}
    assert series(metrics, "tokens") != {}


def test_hits_of_caches_and_attempts_that_failed_are_counted(metrics: Metrics) -> None:
    failures = (Failure("timeout", "xai", "grok", 0, "slow"), Failure("timeout", *GPT, 0, "slow"))

    metrics.observe([make_record(cache="faq", cache_hit=True, failures=failures)])

    assert series(metrics, "cache_hits") == {("faq",): 1}
    assert series(metrics, "failed_attempts") == {("xai", OTHER, "timeout"): 1, (*GPT, "timeout"): 1}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (QuotaExceeded("no"), "quota"),
        (LimitReached("no"), "limit"),
        (BudgetExhausted("no"), "budget"),
        (RateLimited("no"), "rate_limit"),
        (AuthenticationFailed("no"), "authentication"),
        (PermissionDenied("no"), "permission"),
        (BodyTooLarge("no"), "invalid_request"),
        (InvalidRequest("no"), "invalid_request"),
        (Unavailable("no"), "unavailable"),
        (RelayError("no"), "other"),
    ],
)
def test_refusals_are_counted_by_reason(metrics: Metrics, error: RelayError, reason: str) -> None:
    metrics.refuse(error)

    assert series(metrics, "refusals") == {(reason,): 1}


def test_names_that_clients_make_up_are_one_label(metrics: Metrics) -> None:
    failed = {"outcome": Outcome.ERROR, "status": 404}

    metrics.observe([make_record(model=f"made-up-{number}", **failed) for number in range(1000)])

    assert series(metrics, "calls") == {("openai", OTHER, "chat", "error", "4xx"): 1000}


def test_models_that_no_list_has_are_labels_when_they_answer_but_not_without_end(metrics: Metrics) -> None:
    metrics.observe([make_record(model=f"real-{number}") for number in range(MOST_UNLISTED + 5)])
    metrics.observe([make_record(model="real-0", outcome=Outcome.ERROR, status=500)])

    calls = series(metrics, "calls")
    assert len({labels[1] for labels in calls}) == MOST_UNLISTED + 1
    assert calls["openai", OTHER, "chat", "ok", "2xx"] == 5
    assert calls["openai", "real-0", "chat", "error", "5xx"] == 1


def test_workers_are_added_up() -> None:
    one, other = Metrics(lambda: LISTED), Metrics(lambda: LISTED)
    one.observe([make_record(total_ms=50), make_record(model="mine")])
    other.observe([make_record(total_ms=50)])

    sums = added([one.values(), other.values()])

    assert sums["calls"] == {
        (*GPT, "chat", "ok", "2xx"): 2,
        ("openai", "mine", "chat", "ok", "2xx"): 1,
    }
    numbers = sums["call_duration_seconds"][GPT]
    assert isinstance(numbers, list)
    assert numbers[0] == 2
    assert numbers[-1] == pytest.approx(0.1)
