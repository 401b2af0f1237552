"""What a caller hears that has reached a limit: which one, how much of it is used, and when it starts anew."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from app.core.errors import BudgetExhausted, Headers, LimitReached
from app.core.limits import (
    BUDGET_PER_DAY,
    BUDGET_PER_MONTH,
    BUDGETS,
    MAX_CONCURRENT,
    PER_MINUTE,
    REQUESTS_PER_MINUTE,
    TOKENS,
    TOKENS_PER_DAY,
    TOKENS_PER_MINUTE,
    Standing,
    duration,
    end_of,
)
from app.core.money import from_pico_usd

# When it is worth to ask again where calls under way hold what is missing.
_SOON_S = 1
# SDKs that wait as long as they are told would do so in silence. Those of OpenAI and Anthropic know the header that forbids it.
_LONGEST_WAIT_S = 60
_NO_RETRY = ("x-should-retry", "false")
_CENTS, _MILLIONTHS = 2, 6  # decimals of a USD

_WORDS = {
    REQUESTS_PER_MINUTE: "{} requests a minute",
    TOKENS_PER_MINUTE: "{} tokens a minute",
    TOKENS_PER_DAY: "{} tokens a day",
    BUDGET_PER_DAY: "{} USD a day",
    BUDGET_PER_MONTH: "{} USD a month",
    MAX_CONCURRENT: "{} calls at the same time",
}
# As OpenAI says which of its limits it was.
_TYPES = dict.fromkeys(TOKENS, "tokens") | {REQUESTS_PER_MINUTE: "requests"}


def refusal(standings: Sequence[Standing], now: float) -> LimitReached:
    """The error for a call that `standings` leave no room for, at that moment in seconds since the epoch."""
    worst = max(standings, key=_badness)
    limit, headers = worst.ask.cap.limit, list(_retry_headers(worst, now))
    if (tightest := tightest_per_minute(standings)) is not None:
        headers += token_headers(tightest, now, taken=0)
    error = (BudgetExhausted if limit in BUDGETS else LimitReached)(_message(worst, now), headers=headers)
    error.type = _TYPES.get(limit, error.type)
    return error


def tightest_per_minute(standings: Sequence[Standing]) -> Standing | None:
    """The limit of tokens a minute that leaves the least; None where there is none."""
    of_tokens = [standing for standing in standings if standing.ask.cap.limit == TOKENS_PER_MINUTE]
    return min(of_tokens, key=lambda standing: _left(standing, standing.ask.amount), default=None)


def token_headers(standing: Standing, now: float, *, taken: int) -> Headers:
    """The headers on tokens that OpenAI's API has, when the call took so many."""
    return (
        ("x-ratelimit-limit-tokens", str(standing.ask.cap.most)),
        ("x-ratelimit-remaining-tokens", str(_left(standing, taken))),
        ("x-ratelimit-reset-tokens", duration(_seconds_left(standing, now))),
    )


def _badness(standing: Standing) -> tuple[bool, bool, bool, int]:
    """What has to be told first: that the call never fits, or else what lasts longest."""
    ask = standing.ask
    return (
        ask.amount > ask.cap.most,
        not standing.may_fit,
        not standing.fits,
        end_of(ask.cap.limit, ask.period) or 0,
    )


def _retry_headers(standing: Standing, now: float) -> Headers:
    if standing.ask.amount > standing.ask.cap.most:
        return (_NO_RETRY,)
    wait_s = _SOON_S if standing.may_fit else _seconds_left(standing, now)
    told = ("retry-after", str(wait_s))
    return (told,) if wait_s <= _LONGEST_WAIT_S else (told, _NO_RETRY)


def _message(standing: Standing, now: float) -> str:
    cap, amount = standing.ask.cap, standing.ask.amount
    whose = "This user's" if cap.subject.startswith("user:") else "This token's"
    numbers = (cap.most, standing.used, standing.reserved, amount)
    most, used, reserved, asked = _money(numbers) if cap.limit in BUDGETS else map(str, numbers)
    limit = f"{whose} limit of {_WORDS[cap.limit].format(most)}"
    if cap.limit == MAX_CONCURRENT:
        return f"{limit} is reached. Try again when one of them has ended."
    ends = f"It starts anew at {_moment(standing)}, in {duration(_seconds_left(standing, now))}."
    if amount > cap.most:
        return f"{limit} is too low for this call, which may take {asked}. Send less, or let the model write less."
    return (
        f"{limit} leaves no room for this call: {used} used, {reserved} reserved by calls under way,"
        f" and it may take {asked}. {ends}"
    )


def _left(standing: Standing, taken: int) -> int:
    return max(0, standing.ask.cap.most - standing.used - standing.reserved - taken)


def _seconds_left(standing: Standing, now: float) -> int:
    end = end_of(standing.ask.cap.limit, standing.ask.period)
    return 0 if end is None else max(1, math.ceil(end - now))


def _moment(standing: Standing) -> str:
    end = end_of(standing.ask.cap.limit, standing.ask.period) or 0
    form = "%H:%M:%S UTC" if standing.ask.cap.limit in PER_MINUTE else "%Y-%m-%d %H:%M UTC"
    return datetime.fromtimestamp(end, UTC).strftime(form)


def _money(amounts: Sequence[int]) -> list[str]:
    """Pico-USD in USD, all with as many digits as one of them takes: cents at least, and millionths at most."""
    exact = [f"{from_pico_usd(amount):.{_MILLIONTHS}f}" for amount in amounts]
    needless = min(_MILLIONTHS - _CENTS, *(len(text) - len(text.rstrip("0")) for text in exact))
    return [text[: len(text) - needless] for text in exact]
