"""Tokens: how one is made, and the snapshot in memory in which one is looked up.

A token is `lr_`, 8 characters of public id, `_`, and 32 random bytes in base62. Its text is never kept: the database and
the snapshot know its SHA-256 digest. That needs no salt and no slow hash, for nobody can guess 256 random bits.
Tokens that came over from a predecessor are other strings, found in the same way.
"""

import asyncio
import hashlib
import hmac
import logging
import math
import re
import secrets
import string
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.core.errors import AuthenticationFailed
from app.core.principal import NO_LIMITS, Limits, Principal, limits_of
from app.store.db import Database, DatabaseUnavailable
from app.store.times import from_ms, now_ms
from app.store.tokens import StoredToken, insert_first_token, read_tokens_newer_than
from app.store.users import read_user_limits

PREFIX = "lr_"
ID_LENGTH = 8
FIRST_USERNAME = "first"
FIRST_RATE_LIMIT = 1000

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_BYTES = 32
_SECRET_LENGTH = 43  # 62**43 > 256**32
_OURS = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{ID_LENGTH}}}_[0-9A-Za-z]{{{_SECRET_LENGTH}}}")
_IMPORTED = re.compile(r"[\x21-\x7e]{16,128}")
_POLL_S = 1.0
_LEAST_BETWEEN_CHECKS_S = 0.05

log = logging.getLogger(__name__)


class UnknownToken(AuthenticationFailed):
    """A token that could be one, but that the snapshot does not have."""


def mint(token_id: str | None = None) -> str:
    """A new token, with this public id or a new one."""
    public = token_id or "".join(secrets.choice(_BASE62) for _ in range(ID_LENGTH))
    return f"{PREFIX}{public}_{_base62(secrets.token_bytes(_SECRET_BYTES))}"


def id_of(token: str) -> str:
    """The public id in a token of ours."""
    return token[len(PREFIX) : len(PREFIX) + ID_LENGTH]


def digest_of(token: str) -> bytes:
    """What is kept of a token: SHA-256 of its text."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def is_well_formed(token: str) -> bool:
    """Whether `token` can be a token at all: one of ours, or 16 to 128 visible ASCII characters of a predecessor."""
    return bool((_OURS if token.startswith(PREFIX) else _IMPORTED).fullmatch(token))


def principal_of(token: StoredToken, user_limits: Limits = NO_LIMITS) -> Principal:
    """Who a stored token speaks for."""
    return Principal(
        token_id=token.id,
        username=token.username,
        daily_limit=token.rate_limit,
        models=tuple(model.lower() for model in token.models),
        tags=tuple(sorted(set(token.tags))),
        expires=None if token.expires_at is None else from_ms(token.expires_at),
        admin=token.admin,
        log_bodies=token.log_bodies,
        limits=limits_of(token.limits),
        user_limits=user_limits,
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one digest opens; times are seconds since the epoch.

    Attributes:
        good_until: the earliest of all ends: 0 for a disabled token.
        rotated_until: the end of a digest that was replaced; infinity for the current one.
    """

    digest: bytes
    principal: Principal
    good_until: float
    rotated_until: float
    disabled: bool


class Tokens:
    """All tokens, in memory. `refresh` once before the first look-up, then `run` beside it.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, db: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._db = db
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._users: dict[str, list[_Entry]] = {}
        self._revision = -1
        self._checking = asyncio.Lock()
        self._checked_at = -math.inf

    def find(self, token: str) -> Principal:
        """Who `token` speaks for, as the snapshot knows it.

        Raises:
            UnknownToken: it is not there; it may have been made since.
            AuthenticationFailed: it is malformed, expired or disabled.
        """
        digest = digest_of(token)
        entry = self._entries.get(digest)
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            raise _not_found(token)
        if self._clock() >= entry.good_until:
            raise _no_longer_good(entry, self._clock())
        return entry.principal

    def find_user(self, username: str) -> Principal | None:
        """Who the oldest token of `username` speaks for that is good now; None where there is none."""
        now = self._clock()
        return next((entry.principal for entry in self._users.get(username, ()) if now < entry.good_until), None)

    def is_good(self, principal: Principal) -> bool:
        """Whether the token that it came by is good still, as the snapshot knows it."""
        now, entries = self._clock(), self._users.get(principal.username, ())
        return any(entry.principal.token_id == principal.token_id and now < entry.good_until for entry in entries)

    async def look_up(self, token: str) -> Principal:
        """As `find`, but a token that was made a moment ago is found too.

        The database is asked whether there are new ones: at most every 50 ms, for all who wait together.

        Raises:
            AuthenticationFailed: it is malformed, unknown, expired or disabled.
        """
        try:
            return self.find(token)
        except UnknownToken:
            await self._catch_up()
            return self.find(token)

    async def refresh(self) -> None:
        """Read the tokens anew where they changed.

        Raises:
            DatabaseUnavailable: the snapshot stays as it was.
        """
        async with self._checking:
            await self._refresh()

    async def run(self) -> None:
        """Refresh once a second, for ever. It outlives a database that does not answer."""
        while True:
            await asyncio.sleep(_POLL_S)
            await self._refresh_or_log()

    async def _catch_up(self) -> None:
        """Return after a check that began later than this call, or with the snapshot as it is where the database is away."""
        asked_at = time.monotonic()
        async with self._checking:
            if self._checked_at >= asked_at:
                return
            await asyncio.sleep(self._checked_at + _LEAST_BETWEEN_CHECKS_S - time.monotonic())
            await self._refresh_quietly()

    async def _refresh_or_log(self) -> None:
        async with self._checking:
            await self._refresh_quietly()

    async def _refresh_quietly(self) -> None:
        try:
            await self._refresh()
        except DatabaseUnavailable as exc:
            log.warning("Tokens could not be read; those known stay in force. %s", exc)

    async def _refresh(self) -> None:
        self._checked_at = time.monotonic()
        if (newer := await read_tokens_newer_than(self._db, self._revision)) is not None:
            revision, tokens = newer
            limits = await read_user_limits(self._db)
            self._entries = {
                entry.digest: entry
                for token in tokens
                for entry in _entries_of(token, limits.get(token.username, NO_LIMITS))
            }
            self._users = {}
            for token in tokens:  # the oldest first
                self._users.setdefault(token.username, []).append(self._entries[token.digest])
            self._revision = revision


async def ensure_first_token(db: Database) -> str | None:
    """Make a token where there is none at all, and return it: this is the only time that it is seen.

    However many workers start together, one of them gets it and the others None.
    """
    token = mint()
    stored = StoredToken(
        id=id_of(token),
        digest=digest_of(token),
        username=FIRST_USERNAME,
        rate_limit=FIRST_RATE_LIMIT,
        created_at=now_ms(),
    )
    return token if await insert_first_token(db, stored) else None


def _entries_of(token: StoredToken, user_limits: Limits) -> Iterable[_Entry]:
    principal = principal_of(token, user_limits)
    expires = math.inf if token.expires_at is None else token.expires_at / 1000
    usable_until = 0.0 if token.disabled else expires
    if token.previous_digest is not None and token.previous_until is not None:
        until = token.previous_until / 1000
        yield _Entry(token.previous_digest, principal, min(usable_until, until), until, token.disabled)
    yield _Entry(token.digest, principal, usable_until, math.inf, token.disabled)


def _not_found(token: str) -> AuthenticationFailed:
    if not is_well_formed(token):
        return AuthenticationFailed(
            f"The token is malformed: one looks like '{PREFIX}', {ID_LENGTH} characters, '_' and {_SECRET_LENGTH} characters. "
            "It may have been cut when it was copied."
        )
    return UnknownToken("The token is unknown: it was never issued here, or it has been deleted.")


def _no_longer_good(entry: _Entry, now: float) -> AuthenticationFailed:
    if entry.disabled:
        return AuthenticationFailed("The token is disabled.")
    if now >= entry.rotated_until:
        return AuthenticationFailed("The token has been rotated, and its grace period is over: use the new one.")
    return AuthenticationFailed(f"The token expired at {entry.principal.expires:%Y-%m-%d %H:%M:%S} UTC.")


def _base62(data: bytes) -> str:
    """Big-endian, padded to the length that any 32 bytes fit in."""
    number, characters = int.from_bytes(data, "big"), []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, 62)
        characters.append(_BASE62[digit])
    return "".join(reversed(characters))
