"""Tokens for those who manage them from afar: what may be shown of one, and what may be changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.auth.issue import (
    Issued,
    NoSuchToken,
    checked_expiry,
    checked_username,
    find_one,
    issue_token,
    rotate_token,
    state_of,
)
from app.auth.limits import read_token_use, read_user_use
from app.auth.tokens import principal_of
from app.core.limits import Standing
from app.core.money import from_pico_usd, to_pico_usd
from app.core.principal import Principal
from app.store.db import Database
from app.store.quota import read_used
from app.store.times import MS_PER_DAY, from_ms, now_ms, to_ms
from app.store.tokens import StoredToken, change_token, delete_token, list_tokens

BUDGETS = ("budget_per_day", "budget_per_month")
LIMITS = ("requests_per_minute", "tokens_per_minute", "tokens_per_day", *BUDGETS, "max_concurrent")
"""Limits of a token beside its calls a day, by their columns; None is none."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token as it may be shown, with the columns of its limits; budgets are in USD."""

    token: StoredToken
    state: str
    used_today: int
    limits: Mapping[str, int | Decimal | None]
    created: datetime
    expires: datetime | None
    last_used: datetime | None


class TokenDesk:
    """Issues, shows, changes and withdraws tokens. All functions raise `DatabaseUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list_all(self) -> list[TokenView]:
        """All of them, the oldest first."""
        used = await self._used_today()
        return [_view(token, used) for token in await list_tokens(self._db)]

    async def show(self, token_id: str) -> TokenView:
        """One of them.

        Raises:
            NoSuchToken: there is none of this id.
        """
        return _view(await find_one(self._db, token_id=token_id), await self._used_today())

    async def principal(self, token_id: str) -> Principal:
        """Who calls with that token; a call would know the limits of its user too.

        Raises:
            NoSuchToken: there is none of this id.
        """
        return principal_of(await find_one(self._db, token_id=token_id))

    async def read_use(self, token: StoredToken) -> list[Standing]:
        """How the limits of a token and of its user stand now."""
        return [*await read_token_use(self._db, token), *await read_user_use(self._db, token.username)]

    async def issue(
        self,
        username: str,
        *,
        rate_limit: int,
        expires: datetime | None = None,
        models: Sequence[str] = (),
        tags: Sequence[str] = (),
        columns: Mapping[str, Any],
    ) -> tuple[str, TokenView]:
        """Make a token, and give its text, which is known only now.

        Args:
            columns: `admin`, `log_bodies`, `disabled`, and limits.

        Raises:
            InvalidToken: the name or the expiry cannot be.
        """
        issued = await issue_token(
            self._db,
            username,
            rate_limit=rate_limit,
            expires=expires,
            models=models,
            tags=tags,
            columns=_stored(columns),
        )
        return issued.text, _view(issued.token, {})

    async def modify(self, token_id: str, changes: Mapping[str, Any]) -> TokenView:
        """Change what is given, by the names of `issue`; all else stays.

        Raises:
            NoSuchToken: there is none of this id.
            InvalidToken: the name or the expiry cannot be.
        """
        columns = _stored(changes)
        if "username" in columns:
            columns["username"] = checked_username(columns["username"])
        if "expires" in columns:
            expires = columns.pop("expires")
            columns["expires_at"] = None if expires is None else to_ms(checked_expiry(expires))
        if columns:
            await change_token(self._db, token_id, **columns)
        return await self.show(token_id)

    async def rotate(self, token_id: str, grace: timedelta) -> tuple[str, TokenView]:
        """Give a token a new text; the one before works until `grace` is over.

        Raises:
            NoSuchToken: there is none of this id.
        """
        issued: Issued = await rotate_token(self._db, await find_one(self._db, token_id=token_id), grace)
        return issued.text, _view(issued.token, await self._used_today())

    async def delete(self, token_id: str) -> None:
        """Remove a token, but not its calls.

        Raises:
            NoSuchToken: there is none of this id.
        """
        if not await delete_token(self._db, token_id):
            raise NoSuchToken(f"There is no token with the id {token_id!r}.")

    async def _used_today(self) -> Mapping[str, int]:
        now = now_ms()
        return await read_used(self._db, now // MS_PER_DAY, now)


def _view(token: StoredToken, used: Mapping[str, int]) -> TokenView:
    limits = {name: getattr(token, name) for name in LIMITS}
    for name in BUDGETS:
        limits[name] = None if limits[name] is None else from_pico_usd(limits[name])
    return TokenView(
        token=token,
        state=state_of(token),
        used_today=used.get(token.id, 0),
        limits=limits,
        created=from_ms(token.created_at),
        expires=None if token.expires_at is None else from_ms(token.expires_at),
        last_used=None if token.last_used_at is None else from_ms(token.last_used_at),
    )


def _stored(columns: Mapping[str, Any]) -> dict[str, Any]:
    stored = {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()}
    for name in BUDGETS:
        if stored.get(name) is not None:
            stored[name] = to_pico_usd(Decimal(stored[name]))
    return stored
