"""The stage of limits: what it asks of the ledger, and what a caller hears that has reached one."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.core.call import Call, Choice, Route, Target
from app.core.errors import BudgetExhausted, LimitReached, PermissionDenied
from app.core.limits import LIMITS, Ask, Reservation, Standing, end_of, period_of
from app.core.money import PICO_USD
from app.core.ports import Estimate
from app.core.principal import Limits as Said
from app.core.principal import Principal, limits_of
from app.core.record import Hold
from app.core.reply import Reply
from app.core.usage import Usage
from app.pipeline.limits import Limits
from tests.calls import PRINCIPAL, make_call, make_reply

NOW = 1_790_000_010.0
CHEAP, DEAR, UNKNOWN = Target("openai", "cheap"), Target("openai", "dear"), Target("openai", "unknown")
BY_REQUEST = Target("openai", "by-request")


class Book:
    """A ledger that grants all, or stands as it is told."""

    def __init__(self, used: int = 0, reserved: int = 0) -> None:
        self.used, self.reserved = used, reserved
        self.asked: list[Ask] = []

    async def reserve(self, call_id: str, asks: Sequence[Ask], deadline: float | None) -> Reservation:
        self.asked += asks
        standings = tuple(Standing(ask, self.used, self.reserved) for ask in asks)
        return Reservation(all(standing.fits for standing in standings), standings)


class Prices:
    """A token of `dear` costs ten times as much as one of `cheap`, a micro-USD; a picture of either a USD. The other lacks a rate for tokens."""

    def most(self, target: Target, input_tokens: int, output_tokens: int, pieces: Usage) -> Decimal | None:
        tokens = Decimal(input_tokens + output_tokens)
        most = {CHEAP: tokens / 10**6, DEAR: tokens / 10**5}.get(target)
        return None if most is None else most + pieces.images

    def is_priced(self, target: Target) -> bool:
        return target in (CHEAP, DEAR, BY_REQUEST)

    async def settled(self) -> None:
        """All are there."""


class LatePrices(Prices):
    """Of which none is there at first."""

    late = True

    def most(self, target: Target, input_tokens: int, output_tokens: int, pieces: Usage) -> Decimal | None:
        return None if self.late else super().most(target, input_tokens, output_tokens, pieces)

    async def settled(self) -> None:
        self.late = False


def make_stage(book: Book, estimate: Estimate | None = None, **options: Any) -> Limits:
    estimated = estimate or Estimate(100, 50)
    return Limits(book, lambda _call: estimated, Prices(), clock=lambda: NOW, **options)


def call_of(limits: Said, user_limits: Said | None = None, *targets: Target, **fields: Any) -> Call:
    principal = replace(PRINCIPAL, limits=limits, user_limits=user_limits or Said())
    route = Route(tuple(Choice(target) for target in targets or (CHEAP,)))
    return make_call(principal=principal, route=route, **fields)


async def answer(_call: Call) -> Reply:
    return make_reply(b"{}")


ALL = Said(1, 1000, 2000, Decimal("0.5"), Decimal(10), 3)
EACH = {
    "requests_per_minute": 1,
    "tokens_per_minute": 150,
    "tokens_per_day": 150,
    "budget_per_day": 150 * PICO_USD // 10**6,
    "budget_per_month": 150 * PICO_USD // 10**6,
    "max_concurrent": 1,
}


async def test_call_without_limits_asks_for_nothing() -> None:
    book = Book()

    await make_stage(book).handle(call_of(Said()), answer)

    assert book.asked == []


async def test_call_for_which_others_are_made_is_counted_before_these_and_once() -> None:
    book = Book()
    stage, call = make_stage(book), call_of(ALL)

    await stage.admit(call)
    await stage.admit(call)
    first = [ask.cap.limit for ask in book.asked]
    await stage.handle(call, answer)

    assert first == ["requests_per_minute", "max_concurrent"]
    assert sorted(ask.cap.limit for ask in book.asked) == sorted(LIMITS)
    assert sorted(hold.limit for hold in call.trace.holds) == sorted(LIMITS)


async def test_no_call_is_made_for_one_that_is_over_its_requests() -> None:
    call = call_of(ALL)

    with pytest.raises(LimitReached, match="1 requests a minute"):
        await make_stage(Book(used=1)).admit(call)

    assert call.trace.holds == ()


@pytest.mark.parametrize("limit", LIMITS)
async def test_call_asks_for_what_its_limit_counts(limit: str) -> None:
    book = Book()
    call = call_of(Said(**{limit: getattr(ALL, limit)}))

    await make_stage(book).handle(call, answer)

    (ask,) = book.asked
    assert (ask.cap.subject, ask.cap.limit, ask.amount) == ("token:Ab3dEf9h", limit, EACH[limit])
    assert ask.period == period_of(limit, NOW)
    assert call.trace.holds == (Hold("token:Ab3dEf9h", limit, ask.period, EACH[limit]),)


async def test_limits_of_the_token_and_of_its_user_are_both_asked() -> None:
    book = Book()

    await make_stage(book).handle(call_of(Said(tokens_per_day=500), Said(tokens_per_day=900)), answer)

    assert [(ask.cap.subject, ask.cap.most) for ask in book.asked] == [("token:Ab3dEf9h", 500), ("user:alice", 900)]


async def test_free_call_and_one_that_holds_all_already_ask_for_nothing() -> None:
    book, other = Book(), Book()
    held = call_of(ALL)
    await make_stage(other).handle(held, answer)

    await make_stage(book).handle(call_of(ALL, free=True), answer)
    await make_stage(book).handle(held, answer)

    assert book.asked == []


@pytest.mark.parametrize(
    ("estimate", "options", "tokens"),
    [
        (Estimate(100, 50, replies=3), {}, 250),
        (Estimate(100, None), {}, 100 + 4096),
        (Estimate(100, None, replies=2), {"output_ceiling": 10}, 120),
        (Estimate(100, None), {"ceiling": {CHEAP: 7, DEAR: 9}.get}, 109),
        (Estimate(100, None), {"ceiling": {CHEAP: 7}.get, "output_ceiling": 11}, 111),
        (Estimate(100, None), {"ceiling": {CHEAP: 64_000, DEAR: 7}.get, "output_ceiling": 11}, 111),
        (Estimate(100, 5), {"ceiling": {CHEAP: 7, DEAR: 9}.get}, 105),
        (Estimate(100, 0), {}, 100),
    ],
)
async def test_reply_is_as_long_as_the_client_the_model_or_the_operator_lets_it_be(
    estimate: Estimate, options: dict[str, Any], tokens: int
) -> None:
    book = Book()
    call = call_of(Said(tokens_per_day=10**6), None, CHEAP, DEAR)

    await make_stage(book, estimate, **options).handle(call, answer)

    assert book.asked[0].amount == tokens


async def test_budget_is_asked_for_the_dearest_target_of_the_name() -> None:
    book = Book()

    await make_stage(book).handle(call_of(Said(budget_per_day=Decimal(1)), None, CHEAP, DEAR), answer)

    assert book.asked[0].amount == 150 * PICO_USD // 10**5


async def test_budget_is_asked_for_what_is_charged_by_the_piece() -> None:
    book = Book()
    stage = make_stage(book, Estimate(100, 50, pieces=Usage(images=3)))

    await stage.handle(call_of(Said(budget_per_day=Decimal(5)), None, CHEAP), answer)

    assert book.asked[0].amount == 3 * PICO_USD + 150 * PICO_USD // 10**6


async def test_target_whose_price_nobody_knows_is_refused_under_a_budget_only() -> None:
    book = Book()
    with pytest.raises(PermissionDenied, match="price of 'openai/unknown' is not known") as raised:
        await make_stage(book).handle(call_of(Said(budget_per_month=Decimal(1)), None, CHEAP, UNKNOWN), answer)

    await make_stage(book).handle(call_of(Said(tokens_per_day=10**6), None, UNKNOWN), answer)

    assert (raised.value.code, raised.value.charged) == ("price_unknown", False)
    assert "llm-relay models price set openai/unknown --input" in raised.value.message
    assert [ask.cap.limit for ask in book.asked] == ["tokens_per_day"]


async def test_price_that_lacks_a_rate_for_tokens_is_refused_as_such() -> None:
    with pytest.raises(PermissionDenied) as raised:
        await make_stage(Book()).handle(call_of(Said(budget_per_day=Decimal(1)), None, BY_REQUEST), answer)

    assert raised.value.code == "price_unknown"
    assert raised.value.message == (
        "This token has a budget, and the price of 'openai/by-request' lacks a rate for tokens. The gateway's operator can set one"
        " (llm-relay models price set openai/by-request --input … --output … and the rates that it has), or lift the budget."
    )


async def test_budget_waits_for_prices_that_are_on_their_way() -> None:
    book = Book()
    stage = Limits(book, lambda _call: Estimate(100, 50), LatePrices(), clock=lambda: NOW)

    await stage.handle(call_of(Said(budget_per_day=Decimal(1)), None, CHEAP), answer)

    assert book.asked[0].amount == 150 * PICO_USD // 10**6


async def refused(limits: Said, book: Book, user_limits: Said | None = None) -> LimitReached:
    call = call_of(limits, user_limits)
    with pytest.raises(LimitReached) as raised:
        await make_stage(book).handle(call, answer)
    assert call.trace.holds == ()
    assert not raised.value.charged
    return raised.value


async def test_minute_that_is_used_up_is_told_with_its_end() -> None:
    error = await refused(Said(tokens_per_minute=1000), Book(used=900, reserved=60))

    assert error.message == (
        "This token's limit of 1000 tokens a minute leaves no room for this call: 900 used, 60 reserved by calls under way, "
        "and it may take 150. It starts anew at 14:14:00 UTC, in 30s."
    )
    assert dict(error.headers) == {
        "retry-after": "30",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "40",
        "x-ratelimit-reset-tokens": "30s",
    }
    assert (error.status, error.type, error.code) == (429, "tokens", "rate_limit_exceeded")


async def test_wait_of_a_day_is_told_but_no_sdk_is_to_keep_it_in_silence() -> None:
    error = await refused(Said(tokens_per_day=1000), Book(used=900))

    wait_s = end_of("tokens_per_day", period_of("tokens_per_day", NOW))
    assert dict(error.headers) == {"retry-after": str(int((wait_s or 0) - NOW)), "x-should-retry": "false"}
    assert "It starts anew at 2026-09-22 00:00 UTC, in 9h46m30s." in error.message


async def test_budget_that_is_used_up_is_insufficient_quota() -> None:
    error = await refused(Said(budget_per_month=Decimal(5)), Book(used=4_999_900_000_000))

    assert isinstance(error, BudgetExhausted)
    assert (error.type, error.code) == ("insufficient_quota", "insufficient_quota")
    assert "may take 0.00015. It starts anew at 2026-10-01 00:00 UTC" in error.message
    assert dict(error.headers)["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("used", "words"),
    [
        ("4.9999", "limit of 5.00000 USD a month leaves no room for this call: 4.99990 used, 0.00000 reserved"),
        ("4.999912", "limit of 5.000000 USD a month leaves no room for this call: 4.999912 used, 0.000000 reserved"),
    ],
)
async def test_all_money_of_a_sentence_is_written_alike(used: str, words: str) -> None:
    error = await refused(Said(budget_per_month=Decimal(5)), Book(used=int(Decimal(used) * PICO_USD)))

    assert words in error.message


async def test_money_has_cents_at_least() -> None:
    call = call_of(Said(budget_per_day=Decimal(1)))

    with pytest.raises(LimitReached) as raised:
        await make_stage(Book(used=PICO_USD // 2), Estimate(600_000, 0)).handle(call, answer)

    assert "limit of 1.00 USD a day leaves no room for this call: 0.50 used, 0.00 reserved" in raised.value.message
    assert "may take 0.60." in raised.value.message


async def test_room_that_calls_under_way_hold_is_worth_asking_for_again_soon() -> None:
    error = await refused(Said(budget_per_day=Decimal(1)), Book(reserved=PICO_USD))

    assert dict(error.headers) == {"retry-after": "1"}


async def test_call_that_never_fits_is_told_so_and_not_to_come_again() -> None:
    error = await refused(Said(tokens_per_minute=149), Book())

    assert "149 tokens a minute is too low for this call, which may take 150. Send less" in error.message
    headers = dict(error.headers)
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers


async def test_too_many_calls_at_the_same_time_are_told() -> None:
    error = await refused(Said(), Book(reserved=2), Said(max_concurrent=2))

    assert (
        error.message
        == "This user's limit of 2 calls at the same time is reached. Try again when one of them has ended."
    )
    assert dict(error.headers) == {"retry-after": "1"}


async def test_requests_a_minute_are_told_as_requests() -> None:
    error = await refused(Said(requests_per_minute=3), Book(used=3))

    assert (error.type, dict(error.headers)["retry-after"]) == ("requests", "30")


async def test_longest_of_several_limits_is_told() -> None:
    error = await refused(
        Said(requests_per_minute=1, tokens_per_day=100, max_concurrent=1), Book(used=1), Said(tokens_per_day=160)
    )

    assert "This token's limit of 100 tokens a day is too low" in error.message


async def test_reply_tells_what_is_left_of_the_tightest_minute() -> None:
    call = call_of(Said(tokens_per_minute=1000), Said(tokens_per_minute=500))

    reply = await make_stage(Book(used=200, reserved=50)).handle(call, answer)

    assert reply.headers == [
        (b"x-ratelimit-limit-tokens", b"500"),
        (b"x-ratelimit-remaining-tokens", b"100"),
        (b"x-ratelimit-reset-tokens", b"30s"),
    ]


@pytest.mark.parametrize(
    ("limit", "at", "period", "end"),
    [
        ("tokens_per_minute", 59.9, 0, 60),
        ("tokens_per_minute", 60.0, 1, 120),
        ("tokens_per_day", 86_400.0, 1, 172_800),
        ("budget_per_month", 0.0, 0, 2_678_400),
        ("budget_per_month", 1_798_761_599.0, 683, 1_798_761_600),
        ("budget_per_month", 1_798_761_600.0, 684, 1_801_440_000),
        ("max_concurrent", NOW, 0, None),
    ],
)
def test_periods_are_utc(limit: str, at: float, period: int, end: int | None) -> None:
    assert period_of(limit, at) == period
    assert end_of(limit, period) == end


def test_limits_come_from_columns_with_budgets_in_usd() -> None:
    columns = dict.fromkeys(LIMITS) | {"max_concurrent": 2, "budget_per_day": 3 * PICO_USD // 2}

    assert limits_of(columns) == Said(max_concurrent=2, budget_per_day=Decimal("1.5"))


def test_caps_are_what_a_principal_was_made_with() -> None:
    principal = Principal("Ab3dEf9h", "alice", 5, limits=Said(budget_per_day=Decimal("0.000000000001")))

    assert [(cap.subject, cap.limit, cap.most) for cap in principal.caps] == [("token:Ab3dEf9h", "budget_per_day", 1)]
