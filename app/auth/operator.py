"""Administrators as callers of models: as whom the calls run that one makes from the dashboard, without a token."""

from collections.abc import Mapping

from app.auth.quota import Admission
from app.core.audit import ACTOR, Actor
from app.core.errors import AuthenticationFailed
from app.core.principal import Principal

NO_TOKEN = "(admin)"  # noqa: S105 - what records have in the place of a token's id, and what none can be
TAG = "playground"

_LOGGED_IN = "admin"


class OperatorGuard:
    """In the place of a `Guard`, behind the administrators' API: who calls has been found out there, and has no quota.

    What such a call costs is recorded as any other's: by the user `admin:NAME`, and with the tag `playground`.
    """

    async def identify(
        self,
        _authorization: str | None,
        _client: str,
        *,
        headers: Mapping[bytes, bytes] | None = None,
    ) -> Principal:
        """Who acts now.

        Raises:
            AuthenticationFailed: nobody who is logged in.
        """
        actor = ACTOR.get()
        if actor.kind != _LOGGED_IN:
            raise AuthenticationFailed("Log in to the dashboard; a token calls models itself, at their own paths.")
        return principal_of(actor)

    async def admit(self, principal: Principal) -> Admission:
        """Always."""
        return _Unlimited(principal.token_id, day=0, limit=0, remaining=0, reset_s=0)

    def give_back(self, admission: Admission) -> None:
        """Nothing was taken."""


class _Unlimited(Admission):
    """One that took nothing, and has nothing to tell of."""

    def headers(self) -> tuple[()]:
        return ()


def principal_of(actor: Actor) -> Principal:
    """As whom an administrator calls: with no user's limits, events and answers, whatever users are called."""
    return Principal(NO_TOKEN, str(actor), daily_limit=0, tags=(TAG,))
