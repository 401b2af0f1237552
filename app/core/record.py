"""What is kept of one call when it has ended."""

from collections.abc import Iterable, Sequence
from dataclasses import field
from decimal import Decimal
from typing import Any, NamedTuple

from app.core.frozen import frozen
from app.core.jsonio import Json
from app.core.limits import BUDGETS, TOKENS
from app.core.reply import Outcome
from app.core.usage import Usage


@frozen
class Failure:
    """What went wrong with one attempt, for the operator's alerts.

    Attributes:
        kind: `auth_error`, `not_found`, `rate_limit`, `server_error`, `bad_request`, `unreachable` or `timeout`; or `breaker_open`,
            where it was left alone from then on.
        status: the provider's own; 0 where none came.
        message: its words, redacted.
        began_ms, took_ms: when the attempt began, from the call's arrival on, and for how long it went on; None where nobody knows.
            The same failure is the same whenever it was.
    """

    kind: str
    provider: str
    model: str
    status: int
    message: str
    began_ms: int | None = field(default=None, compare=False)
    took_ms: int | None = field(default=None, compare=False)


@frozen
class Hold:
    """What a call reserved of one limit, to be settled by what it used.

    Attributes:
        subject: whose limit: `token:ID` or `user:NAME`.
        limit: which one, such as `tokens_per_day`.
        period: which minute, day or month since 1970; 0 for limits without one.
        amount: requests, tokens or pico-USD.
    """

    subject: str
    limit: str
    period: int
    amount: int


def write_holds(holds: Sequence[Hold]) -> list[Json]:
    """Them as JSON: `[[subject, limit, period, amount], …]`."""
    return [[hold.subject, hold.limit, hold.period, hold.amount] for hold in holds]


def read_holds(written: Iterable[Any]) -> tuple[Hold, ...]:
    """What `write_holds` wrote.

    Raises:
        TypeError: it is none of that.
    """
    return tuple(Hold(*each) for each in written)


def helper_holds(holds: Sequence[Hold]) -> tuple[Hold, ...]:
    """The holds of a call that is made for one with `holds`: it reserves nothing itself, and its tokens and cost count too."""
    return tuple(
        Hold(hold.subject, hold.limit, hold.period, 0)
        for hold in holds
        if hold.limit in TOKENS or hold.limit in BUDGETS
    )


class CallRecord(NamedTuple):
    """One row of `request_logs`, and one line of the log. A tuple, since every call's is written out as the values that it is.

    Attributes:
        id: the request id.
        received_at: seconds since the epoch.
        name: what the client asked for.
        provider: None where the call never got as far, like `model`, the provider's own name for it.
        status: of the reply, or of the error that ended it; where a ping had gone out before, the client saw 200.
        first_byte_ms: from arrival to the first byte of the reply; None where none came.
        charged: whether the call kept its unit of quota.
        attempts: how often any target was asked.
        rescued: its stream broke off and was carried on by another target, which is the one that is named.
        error: our or the provider's words, redacted.
        parent_id: the call that this one was made for; None for a client's own.
        helper: what for: `designator`, `embedding`, `search`, or `broken` for the part of a stream that was carried on by
            another target; None for a client's own.
        tags: sorted, each once.
        end_user: who the client says that it asks for.
        alias, router, cache, augmentor: the names that it came through.
        cache_hit: it was answered by the cache named.
        cost: in USD; None where no price is known.
        price_version: by which prices; `provider` where it said so itself.
        warnings: what smart models on its way could not do, and the names of parameters that its target could not take.
        failures: of attempts, also of those after which another one went well.
        holds: what it reserved.
        traceparent: where in a trace its client is (W3C Trace Context); None also where nobody is told of traces.
        asked_ms: when the target that is named was asked, from the arrival on; None where none was.
        way: the smart models that it came through, such as `fast` and `router:auto`, in their order.
        similarity: of its question to that whose answer it got from the cache named, as a cosine; None where it got none.
    """

    id: str
    received_at: float
    token_id: str
    username: str
    name: str
    provider: str | None
    model: str | None
    surface: str
    streamed: bool
    status: int
    outcome: Outcome
    usage: Usage
    first_byte_ms: int | None
    total_ms: int
    client: str
    charged: bool
    attempts: int = 0
    rescued: bool = False
    error: str | None = None
    tags: tuple[str, ...] = ()
    end_user: str | None = None
    alias: str | None = None
    router: str | None = None
    cache: str | None = None
    augmentor: str | None = None
    cache_hit: bool = False
    cost: Decimal | None = None
    price_version: str | None = None
    warnings: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    holds: tuple[Hold, ...] = ()
    traceparent: str | None = None
    parent_id: str | None = None
    helper: str | None = None
    asked_ms: int | None = None
    way: tuple[str, ...] = ()
    similarity: float | None = None
