"""Tokens as those who hand them out see them: issued, rotated, imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.auth.tokens import digest_of, id_of, is_well_formed, mint
from app.core.audit import changing
from app.core.limits import LIMITS
from app.core.moments import in_utc
from app.core.principal import limits_of
from app.core.tags import InvalidTags, checked_tags
from app.store.db import Database
from app.store.predecessor import OldToken, read_old_tokens
from app.store.times import from_ms, now_ms, to_ms
from app.store.tokens import StoredToken, change_token, find_token, insert_tokens, list_tokens

NOTHING: Mapping[str, Any] = MappingProxyType({})
_OLD_EXPIRY = "%Y-%m-%d %H:%M:%S"
_NOTED = ("username", "rate_limit", "models", "tags", "disabled", "admin", "log_bodies")


class NoSuchToken(ValueError):
    """There is no token of that id or text."""


class InvalidToken(ValueError):
    """What was said of a token cannot be."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token and its text, which is known only now."""

    text: str
    token: StoredToken

    def __repr__(self) -> str:
        return f"Issued({self.token.id!r})"  # never the text


@dataclass(frozen=True, slots=True)
class Skipped:
    """A token that was not imported."""

    username: str
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a predecessor's tokens."""

    tokens: Sequence[StoredToken]
    skipped: Sequence[Skipped]


async def issue_token(
    db: Database,
    username: str,
    *,
    rate_limit: int,
    expires: datetime | None = None,
    models: Sequence[str] = (),
    tags: Sequence[str] = (),
    columns: Mapping[str, Any] = NOTHING,
) -> Issued:
    """Make a token for `username`.

    Args:
        columns: what else is to be said of it, by the fields of `StoredToken`.

    Raises:
        InvalidToken: the name is empty, `expires` is over, or a tag cannot be one.
    """
    text = mint()
    token = StoredToken(
        id=id_of(text),
        digest=digest_of(text),
        username=checked_username(username),
        rate_limit=rate_limit,
        created_at=now_ms(),
        expires_at=None if expires is None else to_ms(checked_expiry(expires)),
        models=tuple(models),
        tags=checked(tags),
        **columns,
    )
    with changing("token.add", token.id, after=noted(token)):
        await insert_tokens(db, [token])
    return Issued(text, token)


async def rotate_token(db: Database, token: StoredToken, grace: timedelta) -> Issued:
    """Give `token` a new text; the one before works until `grace` is over, one before that no more.

    Raises:
        NoSuchToken: it was deleted meanwhile.
    """
    text = mint(token.id)
    until = now_ms() + round(grace.total_seconds() * 1000)
    digest = digest_of(text)
    with changing("token.rotate", token.id, after={"username": token.username, "old_text_until": from_ms(until)}):
        found = await change_token(db, token.id, digest=digest, previous_digest=token.digest, previous_until=until)
    if not found:
        raise NoSuchToken(f"There is no token with the id {token.id!r} any more.")
    return Issued(text, await find_one(db, token_id=token.id))


async def find_one(db: Database, *, token_id: str | None = None, text: str | None = None) -> StoredToken:
    """The token with this id or this text, also one that a rotation replaced.

    Raises:
        NoSuchToken: there is none.
    """
    found = await find_token(db, token_id=token_id, digest=None if text is None else digest_of(text))
    if found is None:
        which = f"with the id {token_id!r}" if text is None else "like the one given"
        raise NoSuchToken(f"There is no token {which}; 'llm-relay tokens list' shows all.")
    return found


async def import_tokens(db: Database, path: Path) -> Imported:
    """Take over the predecessor's tokens from its database at `path`; their clients notice nothing.

    Its expiries are local times without a zone: they are taken as local times of this machine.

    Raises:
        UnusableDatabase: the file cannot be read, or has no tokens of that kind.
    """
    fresh: list[StoredToken] = []
    skipped: list[Skipped] = []
    for old in read_old_tokens(path):
        try:
            fresh.append(_taken_over(old))
        except InvalidToken as exc:
            skipped.append(Skipped(str(old.username), str(exc)))
    known = {digest for token in await list_tokens(db) for digest in (token.digest, token.previous_digest)}
    skipped += [Skipped(token.username, "already there") for token in fresh if token.digest in known]
    fresh = [token for token in fresh if token.digest not in known]
    if fresh:
        with changing("token.import", path.name, after={"tokens": {token.id: token.username for token in fresh}}):
            await insert_tokens(db, fresh)
    return Imported(fresh, skipped)


def noted(token: StoredToken) -> dict[str, Any]:
    """What the audit log may tell of a token: its fields, budgets in USD."""
    limits, expires = limits_of(token.limits), None if token.expires_at is None else from_ms(token.expires_at)
    return {
        **{name: getattr(token, name) for name in _NOTED},
        "expires": expires,
        **{name: getattr(limits, name) for name in LIMITS},
    }


def checked_username(username: str) -> str:
    """`username`, trimmed.

    Raises:
        InvalidToken: nothing is left, or it cannot be printed.
    """
    name = username.strip()
    if not name or not name.isprintable():
        raise InvalidToken(f"The username {username!r} is empty or has characters that cannot be printed.")
    return name


def checked(tags: Sequence[str]) -> tuple[str, ...]:
    """`tags` as they are kept: sorted, each once.

    Raises:
        InvalidToken: one cannot be a tag, or there are too many.
    """
    try:
        return checked_tags(tags)
    except InvalidTags as exc:
        raise InvalidToken(str(exc)) from None


def checked_expiry(expires: datetime) -> datetime:
    """`expires`, where it is still to come.

    Raises:
        InvalidToken: it is over.
    """
    now = datetime.now(UTC)
    if expires <= now:
        raise InvalidToken(
            f"The expiry {expires:%Y-%m-%d %H:%M:%S} UTC is in the past; now is {now:%Y-%m-%d %H:%M:%S} UTC."
        )
    return expires


def state_of(token: StoredToken) -> str:
    """`active`, `disabled` or `expired`."""
    if token.disabled:
        return "disabled"
    return "expired" if token.expires_at is not None and from_ms(token.expires_at) <= datetime.now(UTC) else "active"


def _taken_over(old: OldToken) -> StoredToken:
    if not isinstance(old.token, str) or not is_well_formed(old.token):
        raise InvalidToken("malformed: the token is not 16 to 128 visible ASCII characters")
    if not isinstance(old.username, str):
        raise InvalidToken("malformed: there is no username")
    lifetime_requests = _count(old.lifetime_requests, "lifetime_requests")
    return StoredToken(
        id=id_of(mint()),
        digest=digest_of(old.token),
        username=checked_username(old.username),
        rate_limit=_count(old.rate_limit, "rate_limit"),
        created_at=now_ms(),
        expires_at=to_ms(_old_expiry(old.expiry)),
        lifetime_requests=lifetime_requests,
        lifetime_before=lifetime_requests,
    )


def _count(value: object, name: str) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise InvalidToken(f"malformed: {name} is {value!r}")


def _old_expiry(expiry: object) -> datetime:
    try:
        return in_utc(datetime.strptime(str(expiry), _OLD_EXPIRY).astimezone())
    except (ValueError, OverflowError):
        raise InvalidToken(f"malformed: the expiry {expiry!r} is not YYYY-MM-DD HH:MM:SS") from None
