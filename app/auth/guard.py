"""What stands before every route: who is calling, and may they?"""

from collections.abc import Mapping
from typing import NoReturn

from app.auth.address_limit import MEMORY, AddressLimiter
from app.auth.anonymous import Anonymous
from app.auth.quota import Admission, Quota
from app.auth.tokens import Tokens
from app.core.errors import AuthenticationFailed, PermissionDenied, RateLimited
from app.core.principal import Principal

MAX_FAILURES_PER_MINUTE = 30
"""From one address, so that nobody can try tokens at leisure."""

_CHALLENGE = (("www-authenticate", "Bearer"),)  # RFC 9110, 11.6.1: every 401 has one


def failure_limiter(storage_url: str = MEMORY) -> AddressLimiter:
    """The limiter of a `Guard`."""
    return AddressLimiter(MAX_FAILURES_PER_MINUTE, "failed authentications", storage_url)


class NoToken(AuthenticationFailed):
    """The caller sent none."""


class Guard:
    """Identifies callers by their bearer tokens, and admits their calls.

    Args:
        anonymous: who callers without a token are; None where all need one.
    """

    def __init__(
        self, tokens: Tokens, quota: Quota, limiter: AddressLimiter, anonymous: Anonymous | None = None
    ) -> None:
        self._tokens = tokens
        self._quota = quota
        self._limiter = limiter
        self._anonymous = anonymous

    async def identify(
        self, authorization: str | None, client: str, *, headers: Mapping[bytes, bytes] | None = None
    ) -> Principal:
        """Who sent this `Authorization` header from the address `client`.

        Args:
            headers: those of the request, where the route is there also for callers without a token, if the operator allows any:
                one of calls to models and their lists. They tell whether a web page calls.

        Raises:
            PermissionDenied: a web page without a token that may not call without.
            AuthenticationFailed: no token, or a malformed, unknown, expired or disabled one; with `WWW-Authenticate`.
            RateLimited: the address failed too often in the last minute, and nothing was looked up.
        """
        if seconds := self._limiter.seconds_blocked(client):
            _refuse(seconds)
        try:
            return await self._tokens.look_up(_bearer_token(authorization))
        except AuthenticationFailed as exc:
            if headers is not None and self._anonymous is not None and isinstance(exc, NoToken):
                principal = self._anonymous.find(client, headers)
                if principal is not None:
                    return principal
            exc.headers = _CHALLENGE
            await self._limiter.note(client)
            raise

    def find_anonymous(self, client: str, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Who a caller without a token from the address `client` would be; None where it needs one. No failure is counted."""
        try:
            return None if self._anonymous is None else self._anonymous.find(client, headers)
        except PermissionDenied:
            return None

    def is_good(self, principal: Principal) -> bool:
        """Whether a caller's token is good still: for what goes on long after it was looked at."""
        return self._tokens.is_good(principal)

    async def admit(self, principal: Principal) -> Admission:
        """One unit of the caller's day.

        Raises:
            QuotaExceeded: the day is used up.
            DatabaseUnavailable: this worker has no units left, and cannot get more now.
        """
        return self._quota.take(principal) or await self._quota.admit(principal)

    def give_back(self, admission: Admission) -> None:
        """Return the unit of a call that failed at our side, or at the provider's before the first byte."""
        self._quota.give_back(admission)


def _bearer_token(authorization: str | None) -> str:
    """The token in a header; the scheme is case-insensitive (RFC 9110, 11.1)."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() == "bearer" and token:
        return token
    error = NoToken if scheme.lower() in ("", "bearer") else AuthenticationFailed
    raise error("No token was sent. Send one in the header 'Authorization: Bearer <token>'.")


def _refuse(seconds: int) -> NoReturn:
    raise RateLimited(
        f"More than {MAX_FAILURES_PER_MINUTE} failed authentications a minute from this address. "
        f"Check the token, and try again in {seconds} s.",
        headers=[("retry-after", str(seconds))],
    )
