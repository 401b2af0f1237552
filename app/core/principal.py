"""Who is calling."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from app.core.frozen import frozen
from app.core.limits import BUDGETS, LIMITS, Cap
from app.core.money import ceil_pico_usd, from_pico_usd


@frozen
class Limits:
    """What a token or a user may use beside calls a day; None is no limit.

    Attributes:
        budget_per_day, budget_per_month: in USD.
        max_concurrent: calls at the same time.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    budget_per_day: Decimal | None = None
    budget_per_month: Decimal | None = None
    max_concurrent: int | None = None


NO_LIMITS = Limits()


def limits_of(columns: Mapping[str, Any]) -> Limits:
    """The limits in a row that has a column for each, budgets in pico-USD."""
    said: dict[str, Any] = {name: columns[name] for name in LIMITS if columns[name] is not None}
    for name in BUDGETS & said.keys():
        said[name] = from_pico_usd(said[name])
    return Limits(**said) if said else NO_LIMITS


@frozen
class Principal:
    """A token's holder, as the in-memory snapshot knows it.

    Attributes:
        token_id: public part of the token, 8 characters.
        daily_limit: calls a UTC day.
        models: lower-case patterns (`*`, `?`) of the names that may be used; empty means all.
        expires: UTC, or None for never.
        limits: of the token.
        user_limits: of its user, over all tokens.
        admin: may use the administrators' API.
        log_bodies: what its calls ask and get is kept.
        anonymous: the caller sent no token, and runs by this one: what is the user's own is not for it.
        caps: all that `limits` and `user_limits` say; empty for most.
    """

    token_id: str
    username: str
    daily_limit: int
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    expires: datetime | None = None
    limits: Limits = NO_LIMITS
    user_limits: Limits = NO_LIMITS
    admin: bool = False
    log_bodies: bool = False
    anonymous: bool = False
    caps: tuple[Cap, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self.caps = (  # type: ignore[misc] # once, when a token is read
            *caps_of(f"token:{self.token_id}", self.limits),
            *caps_of(f"user:{self.username}", self.user_limits),
        )

    def may_use(self, *names: str) -> bool:
        """True where the token is for all models, or one of `names` (lower case) matches one of its patterns.

        Ollama's names end in `:latest` where nobody said otherwise; a pattern need not.
        """
        return not self.models or any(
            fnmatchcase(name, pattern) or fnmatchcase(name.removesuffix(":latest"), pattern)
            for pattern in self.models
            for name in names
        )


def caps_of(subject: str, limits: Limits) -> tuple[Cap, ...]:
    """What `limits` say of `subject`, in the order of `LIMITS`."""
    said = ((name, getattr(limits, name)) for name in LIMITS)
    return tuple(
        Cap(subject, name, ceil_pico_usd(most) if name in BUDGETS else most) for name, most in said if most is not None
    )
