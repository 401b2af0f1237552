"""What may be used beside calls a day: which limits there are, in which periods they count, and how they stand."""

from datetime import UTC, datetime
from functools import lru_cache

from app.core.frozen import frozen

REQUESTS_PER_MINUTE = "requests_per_minute"
TOKENS_PER_MINUTE = "tokens_per_minute"
TOKENS_PER_DAY = "tokens_per_day"
BUDGET_PER_DAY = "budget_per_day"
BUDGET_PER_MONTH = "budget_per_month"
MAX_CONCURRENT = "max_concurrent"

LIMITS = (
    REQUESTS_PER_MINUTE,
    TOKENS_PER_MINUTE,
    TOKENS_PER_DAY,
    BUDGET_PER_DAY,
    BUDGET_PER_MONTH,
    MAX_CONCURRENT,
)
TOKENS = frozenset({TOKENS_PER_MINUTE, TOKENS_PER_DAY})
BUDGETS = frozenset({BUDGET_PER_DAY, BUDGET_PER_MONTH})
PER_MINUTE = frozenset({REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE})
PER_DAY = frozenset({TOKENS_PER_DAY, BUDGET_PER_DAY})

_MINUTE_S, _DAY_S = 60, 86_400
_MONTHS_A_YEAR, _EPOCH_YEAR = 12, 1970


@frozen
class Cap:
    """One limit of one token or user.

    Attributes:
        subject: whose: `token:ID` or `user:NAME`.
        limit: which one.
        most: requests, tokens, pico-USD or calls at the same time.
    """

    subject: str
    limit: str
    most: int


@frozen
class Ask:
    """How much a call may take of a cap, in its unit, in the period at its start."""

    cap: Cap
    period: int
    amount: int


@frozen
class Standing:
    """How a cap stands for who asked for some of it.

    Attributes:
        used: what calls took that are over.
        reserved: what calls may still take that are not, this one left out.
    """

    ask: Ask
    used: int
    reserved: int

    @property
    def fits(self) -> bool:
        """There is room for what was asked."""
        return self.used + self.reserved + self.ask.amount <= self.ask.cap.most

    @property
    def may_fit(self) -> bool:
        """There is room for it if the calls under way take little."""
        return self.used + self.ask.amount <= self.ask.cap.most


@frozen
class Reservation:
    """What became of asking: all was granted, or nothing was taken. The standings are in the order of the asks."""

    granted: bool
    standings: tuple[Standing, ...]


def period_of(limit: str, at: float) -> int:
    """The minute, day or month in UTC since 1970 in which `at` is, in seconds since the epoch; 0 for limits without one."""
    if limit in PER_MINUTE:
        return int(at) // _MINUTE_S
    if limit in PER_DAY:
        return int(at) // _DAY_S
    if limit == BUDGET_PER_MONTH:
        date = datetime.fromtimestamp(at, UTC)
        return (date.year - _EPOCH_YEAR) * _MONTHS_A_YEAR + date.month - 1
    return 0


def end_of(limit: str, period: int) -> int | None:
    """When that period is over, in seconds since the epoch; None for limits without one."""
    if limit in PER_MINUTE:
        return (period + 1) * _MINUTE_S
    if limit in PER_DAY:
        return (period + 1) * _DAY_S
    if limit == BUDGET_PER_MONTH:
        year, month = divmod(period + 1, _MONTHS_A_YEAR)
        return int(datetime(_EPOCH_YEAR + year, month + 1, 1, tzinfo=UTC).timestamp())
    return None


@lru_cache(maxsize=4)  # it is the same for all calls of a second
def duration(seconds: int) -> str:
    """As OpenAI writes it: `6h12m3s`, `12m3s`, `3s`."""
    minutes, s = divmod(seconds, 60)
    h, m = divmod(minutes, 60)
    return f"{h}h{m}m{s}s" if h else f"{m}m{s}s" if m else f"{s}s"
