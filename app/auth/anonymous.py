"""Who callers without a token are: from some addresses, a user whom the operator named."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.auth.pages import Pages
from app.auth.tokens import Tokens
from app.core.networks import Network, membership
from app.core.principal import Principal

log = logging.getLogger(__name__)


class Anonymous:
    """Calls without a token from `networks` run as `username`: by the oldest token of that name that is good.

    Pages of other web sites that a browser there shows are no callers of that kind, but for those of `origins`.

    A user without any is told of in the log, once until there is one; the client hears what it would hear anyway.
    """

    def __init__(self, tokens: Tokens, username: str, networks: Sequence[Network], origins: Sequence[str] = ()) -> None:
        self._tokens = tokens
        self._username = username
        self._where = ", ".join(map(str, networks))
        self._is_allowed = membership(networks)
        self._is_told = False
        self._pages = Pages(origins)
        self._holder: Principal | None = None
        self._caller: Principal | None = None

    def announce(self) -> None:
        """Log that this is on, and whether the user has a token for it."""
        log.info("calls without a token from %s run as %r", self._where, self._username)
        self._principal()

    def find(self, client: str, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Who a caller without a token from the address `client` is; None where it needs one.

        Raises:
            PermissionDenied: it is a web page that may not.
        """
        principal = self._principal() if self._is_allowed(client) else None
        if principal is not None:
            self._pages.check(headers)
        return principal

    def _principal(self) -> Principal | None:
        principal = self._tokens.find_user(self._username)
        if principal is None and not self._is_told:
            log.warning(
                "ANONYMOUS_USER is %r, who has no good token: calls without a token are refused."
                " Make one: llm-relay tokens add --username NAME",
                self._username,
            )
        self._is_told = principal is None
        if principal is not self._holder:  # seldom, so that it is not made for each call
            self._holder, self._caller = principal, principal and replace(principal, anonymous=True)
        return self._caller
