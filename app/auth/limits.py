"""Limits beside calls a day as those who set them see them: set, lifted, and how much of them is used."""

import time
from collections.abc import Iterable, Mapping
from decimal import Decimal

from app.auth.issue import InvalidToken, checked_username
from app.core.limits import BUDGETS, LIMITS, Standing
from app.core.money import ceil_pico_usd
from app.core.principal import Limits, caps_of, limits_of
from app.store.db import Database
from app.store.limits import read_all_standings, read_standings
from app.store.tokens import StoredToken
from app.store.users import change_user_limits, read_user_limits

Changes = Mapping[str, int | Decimal | None]
"""By the names of limits: a number, budgets in USD; None lifts the limit."""

_MOST = 1 << 53
_MOST_USD = 1_000_000


async def set_user_limits(db: Database, username: str, changes: Changes) -> None:
    """Set or lift limits of a user over all tokens, also of one who has none yet; all others stay.

    Raises:
        InvalidToken: a limit or the name cannot be.
    """
    await change_user_limits(db, checked_username(username), limit_columns(changes))


async def read_token_use(db: Database, token: StoredToken, now: float | None = None) -> list[Standing]:
    """How the limits of a token stand in this minute, day and month; not those of its user."""
    return await _read_use(db, f"token:{token.id}", limits_of(token.limits), now)


async def read_uses(db: Database, tokens: Iterable[StoredToken], now: float | None = None) -> dict[str, list[Standing]]:
    """The same of many tokens, by the ids of those that have limits."""
    caps = [cap for token in tokens for cap in caps_of(f"token:{token.id}", limits_of(token.limits))]
    uses: dict[str, list[Standing]] = {}
    for standing in await read_all_standings(db, caps, time.time() if now is None else now) if caps else ():
        uses.setdefault(standing.ask.cap.subject.removeprefix("token:"), []).append(standing)
    return uses


async def read_user_use(db: Database, username: str, now: float | None = None) -> list[Standing]:
    """How the limits of a user stand in this minute, day and month."""
    limits = (await read_user_limits(db)).get(username, Limits())
    return await _read_use(db, f"user:{username}", limits, now)


def limit_columns(changes: Changes) -> dict[str, int | None]:
    """`changes` as they are stored, budgets in pico-USD.

    Raises:
        InvalidToken: one is none of our limits, is no number from 1, or a budget that is not above 0, or more than anybody uses.
    """
    return {name: None if most is None else _checked(name, most) for name, most in changes.items()}


def _checked(name: str, most: int | Decimal) -> int:
    if name not in LIMITS:
        raise InvalidToken(f"There is no limit {name!r}; there are {', '.join(LIMITS)}.")
    if name in BUDGETS:
        budget = Decimal(most)
        if not budget.is_finite() or not 0 < budget <= _MOST_USD:
            raise InvalidToken(f"{name} is {most}; use an amount in USD above 0, up to {_MOST_USD}.")
        return ceil_pico_usd(budget)
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= _MOST:
        raise InvalidToken(f"{name} is {most}; use a whole number from 1.")
    return most


async def _read_use(db: Database, subject: str, limits: Limits, now: float | None) -> list[Standing]:
    caps = caps_of(subject, limits)
    return await read_standings(db, caps, time.time() if now is None else now) if caps else []
