"""What users may use, and tokens without what they are known by; and settings."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.auth.issue import checked, checked_username
from app.auth.limits import limit_columns
from app.core.jsonio import Json
from app.core.limits import BUDGETS, LIMITS
from app.core.moments import in_utc, write_moment
from app.core.money import from_pico_usd, write_usd
from app.core.principal import limits_of
from app.desks.settings import find_setting
from app.exchange.section import Entries, as_object
from app.faults import faults
from app.store.db import Database
from app.store.exchange import Write, of_settings, of_tokens, of_users
from app.store.settings import list_settings
from app.store.times import from_ms, to_ms
from app.store.tokens import StoredToken, list_tokens
from app.store.users import read_user_limits

_MOST = 1 << 53


class Settings:
    """What administrators set in the place of the environment."""

    name = "settings"

    async def read(self, db: Database) -> Entries:
        """Values by their names."""
        return {each.name: each.value for each in await list_settings(db)}

    def check(self, key: str, entry: Any) -> Json:
        """As its kind says."""
        try:
            value: Json = find_setting(key).check(entry)
        except LookupError as exc:
            raise ValueError(str(exc)) from exc
        return value

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """Those that are gone are as the environment says."""
        return of_settings(put, gone)


class Users:
    """Limits of users over all their tokens."""

    name = "users"

    async def read(self, db: Database) -> Entries:
        """By their names; budgets as text in USD."""
        return {
            name: _written({limit: getattr(limits, limit) for limit in LIMITS})
            for name, limits in (await read_user_limits(db)).items()
        }

    def check(self, key: str, entry: Any) -> Json:
        """Some limit, and no other field."""
        if checked_username(key) != key:
            raise ValueError("the name has blanks around it")
        limits = _read_limits(as_object(entry))
        if not any(value is not None for value in limits.values()):
            raise ValueError("has no limit")
        return _written(limits)

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """All limits of each."""
        return of_users({name: limit_columns(_read_limits(each)) for name, each in put.items()}, gone)


class TokenForm(BaseModel):
    """A token without its text and without the digest of it."""

    model_config = ConfigDict(extra="forbid")

    username: str
    rate_limit: Annotated[int, Field(strict=True, ge=0, le=_MOST)]
    created: datetime
    expires: datetime | None = None
    models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    disabled: bool = False
    admin: bool = False
    log_bodies: bool = False
    limits: dict[str, Any] = {}


class Tokens:
    """Tokens without what they are known by. One that is new to a gateway is there, but nobody can call with it until it is rotated."""

    name = "tokens"

    async def read(self, db: Database) -> Entries:
        """By their ids."""
        return {each.id: _token(each) for each in await list_tokens(db)}

    def check(self, key: str, entry: Any) -> Json:
        """All that can be said of one."""
        if not (key.isascii() and key.isalnum() and len(key) <= 8):
            raise ValueError("is no id of a token")
        return _write_form(_read_form(entry))

    async def write(self, db: Database, put: Mapping[str, Any], gone: Sequence[str]) -> Write:
        """One that is there goes on to be called with as it is."""
        return of_tokens({key: _columns(_read_form(each)) for key, each in put.items()}, gone)


def _token(token: StoredToken) -> Json:
    return _write_form(
        TokenForm(
            username=token.username,
            rate_limit=token.rate_limit,
            created=from_ms(token.created_at),
            expires=None if token.expires_at is None else from_ms(token.expires_at),
            models=token.models,
            tags=token.tags,
            disabled=token.disabled,
            admin=token.admin,
            log_bodies=token.log_bodies,
            limits=_written({name: getattr(limits_of(token.limits), name) for name in LIMITS}),
        )
    )


def _read_form(entry: Any) -> TokenForm:
    try:
        form = TokenForm.model_validate(as_object(entry))
    except ValidationError as exc:
        raise ValueError("\n".join(faults(exc, lambda _place: TokenForm.model_fields))) from exc
    if form.created.tzinfo is None or (form.expires is not None and form.expires.tzinfo is None):
        raise ValueError("created, expires: a moment needs its zone, such as Z")
    for moment in (form.created, form.expires):
        if moment is not None:
            in_utc(moment)
    limits = _written(_read_limits(form.limits))
    return form.model_copy(
        update={"username": checked_username(form.username), "tags": checked(form.tags), "limits": limits}
    )


def _write_form(form: TokenForm) -> dict[str, Any]:
    written = form.model_dump(mode="json", exclude_defaults=True)
    for name in ("created", "expires"):
        if (moment := getattr(form, name)) is not None:
            written[name] = write_moment(moment)
    return written


def _columns(form: TokenForm) -> dict[str, Any]:
    return {
        "username": form.username,
        "rate_limit": form.rate_limit,
        "created_at": to_ms(form.created),
        "expires_at": None if form.expires is None else to_ms(form.expires),
        "models": list(form.models),
        "tags": list(form.tags),
        "disabled": form.disabled,
        "admin": form.admin,
        "log_bodies": form.log_bodies,
        **limit_columns(dict.fromkeys(LIMITS) | _read_limits(form.limits)),
    }


def _read_limits(entry: Mapping[str, Any]) -> dict[str, Any]:
    """All limits by their names; budgets in USD.

    Raises:
        ValueError: one cannot be.
    """
    try:
        given = {
            name: Decimal(value) if name in BUDGETS and value is not None else value for name, value in entry.items()
        }
        columns = limit_columns(given)
    except (ArithmeticError, TypeError) as exc:
        raise ValueError("a budget is a text with an amount in USD, such as '12.50'") from exc
    return {
        name: from_pico_usd(value) if name in BUDGETS and value is not None else value
        for name, value in columns.items()
    }


def _written(limits: Mapping[str, Any]) -> dict[str, Any]:
    return {name: write_usd(value) if name in BUDGETS else value for name, value in limits.items() if value is not None}
