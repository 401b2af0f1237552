"""Users for those who manage them: all that have tokens or limits, and how much of these is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.auth.issue import InvalidToken, checked_username
from app.auth.limits import Changes, limit_columns, read_user_use, set_user_limits
from app.core.audit import changing
from app.core.limits import LIMITS, Standing
from app.core.principal import NO_LIMITS, Limits
from app.store.db import Database
from app.store.tokens import list_tokens
from app.store.users import read_user_limits


class NoSuchUser(InvalidToken):
    """Nobody of that name has a token or a limit; the message is a sentence."""


class UserLimited(InvalidToken):
    """There are limits of that user already; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class UserView:
    """One user.

    Attributes:
        tokens: how many of them have this name.
    """

    username: str
    tokens: int
    limits: Limits

    @property
    def limits_by_name(self) -> Mapping[str, int | Decimal | None]:
        """Budgets in USD; None is no limit."""
        return {name: getattr(self.limits, name) for name in LIMITS}


class UserDesk:
    """All functions raise `DatabaseUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list_all(self) -> list[UserView]:
        """All users, by name."""
        limits = await read_user_limits(self._db)
        tokens: dict[str, int] = dict.fromkeys(limits, 0)
        for token in await list_tokens(self._db):
            tokens[token.username] = tokens.get(token.username, 0) + 1
        return [UserView(name, tokens[name], limits.get(name, NO_LIMITS)) for name in sorted(tokens)]

    async def show(self, username: str) -> UserView:
        """One of them.

        Raises:
            NoSuchUser: nobody of that name has a token or a limit.
        """
        for view in await self.list_all():
            if view.username == username:
                return view
        raise NoSuchUser(f"There is no user {username!r}.")

    async def read_use(self, username: str) -> list[Standing]:
        """How the user's limits stand now."""
        return await read_user_use(self._db, username)

    async def add(self, username: str, limits: Changes) -> UserView:
        """Limit a user who has no limit yet.

        Raises:
            UserLimited: there are limits of that user.
            InvalidToken: as `limit`, or none is given.
        """
        name = checked_username(username)
        if any(most is not None for most in (await self._find(name)).limits_by_name.values()):
            raise UserLimited(f"{name!r} has limits already: change those.")
        if all(most is None for most in limits.values()):
            raise InvalidToken("Give at least one limit.")
        return await self.limit(name, limits)

    async def limit(self, username: str, changes: Changes) -> UserView:
        """Set or lift limits of a user, also of one who has no token yet; all others stay.

        Raises:
            InvalidToken: a limit or the name cannot be.
        """
        name, _ = checked_username(username), limit_columns(changes)
        before = dict((await self._find(name)).limits_by_name)
        others = {limit: most for limit, most in changes.items() if before[limit] != most}
        if others:
            with changing("user.limit", name, before={limit: before[limit] for limit in others}, after=others):
                await set_user_limits(self._db, name, others)
        return await self._find(name)

    async def _find(self, username: str) -> UserView:
        found = [view for view in await self.list_all() if view.username == username]
        return found[0] if found else UserView(username, 0, NO_LIMITS)
