"""Tokens for those who manage them from afar: what may be shown of one, and what may be changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.auth.issue import (
    checked,
    checked_expiry,
    checked_username,
    find_one,
    issue_token,
    noted,
    rotate_token,
    state_of,
)
from app.auth.limits import limit_columns, read_token_use, read_user_use, read_uses
from app.auth.tokens import principal_of
from app.core.audit import changing
from app.core.limits import LIMITS, Standing
from app.core.principal import Principal, limits_of
from app.store.db import Database
from app.store.quota import read_used
from app.store.times import MS_PER_DAY, from_ms, now_ms, to_ms
from app.store.tokens import StoredToken, change_token, delete_token, list_tokens


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
        return [view_of(token, used) for token in await list_tokens(self._db)]

    async def read_uses(self, views: Iterable[TokenView]) -> Mapping[str, list[Standing]]:
        """How the limits of these tokens stand beside calls a day, by the ids of those that have any; not those of their users."""
        return await read_uses(self._db, (view.token for view in views))

    async def show(self, token_id: str) -> TokenView:
        """One of them.

        Raises:
            NoSuchToken: there is none of this id.
        """
        return await self._view_of(await find_one(self._db, token_id=token_id))

    async def find(self, text: str) -> TokenView:
        """The one with this text, also one that a rotation replaced.

        Raises:
            NoSuchToken: there is none.
        """
        return await self._view_of(await find_one(self._db, text=text))

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
            columns: `admin`, `log_bodies`, `disabled`, and limits; budgets are in USD.

        Raises:
            InvalidToken: the name, the expiry, a tag or a limit cannot be.
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
        return issued.text, view_of(issued.token, {})

    async def modify(self, token_id: str, changes: Mapping[str, Any]) -> TokenView:
        """Change what is given, by the names of `issue`; all else stays.

        Raises:
            NoSuchToken: there is none of this id.
            InvalidToken: the name, the expiry, a tag or a limit cannot be.
        """
        token = await find_one(self._db, token_id=token_id)
        columns = _stored(changes)
        if "username" in columns:
            columns["username"] = checked_username(columns["username"])
        if "expires" in columns:
            expires = columns.pop("expires")
            columns["expires_at"] = None if expires is None else to_ms(checked_expiry(expires))
        if "tags" in columns:
            columns["tags"] = checked(columns["tags"])
        before, after = noted(token), noted(replace(token, **columns))
        others = [name for name in after if after[name] != before[name]]
        if others:
            sides = ({name: side[name] for name in others} for side in (before, after))
            with changing("token.modify", token_id, before=next(sides), after=next(sides)):
                await change_token(self._db, token_id, **columns)
        return await self.show(token_id)

    async def rotate(self, token_id: str, grace: timedelta) -> tuple[str, TokenView]:
        """Give a token a new text; the one before works until `grace` is over.

        Raises:
            NoSuchToken: there is none of this id.
        """
        issued = await rotate_token(self._db, await find_one(self._db, token_id=token_id), grace)
        return issued.text, await self._view_of(issued.token)

    async def delete(self, token_id: str) -> None:
        """Remove a token, but not its calls.

        Raises:
            NoSuchToken: there is none of this id.
        """
        token = await find_one(self._db, token_id=token_id)
        with changing("token.delete", token_id, before=noted(token)):
            await delete_token(self._db, token_id)

    async def _view_of(self, token: StoredToken) -> TokenView:
        return view_of(token, await self._used_today())

    async def _used_today(self) -> Mapping[str, int]:
        now = now_ms()
        return await read_used(self._db, now // MS_PER_DAY, now)


def view_of(token: StoredToken, used: Mapping[str, int]) -> TokenView:
    """A token, and how many calls it made today; `used` has those of all tokens by their ids."""
    limits = limits_of(token.limits)
    return TokenView(
        token=token,
        state=state_of(token),
        used_today=used.get(token.id, 0),
        limits={name: getattr(limits, name) for name in LIMITS},
        created=from_ms(token.created_at),
        expires=None if token.expires_at is None else from_ms(token.expires_at),
        last_used=None if token.last_used_at is None else from_ms(token.last_used_at),
    )


def _stored(columns: Mapping[str, Any]) -> dict[str, Any]:
    limits = limit_columns({name: value for name, value in columns.items() if name in LIMITS})
    return {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items()} | limits
