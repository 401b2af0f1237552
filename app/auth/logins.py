"""Logs administrators in, a few times a minute from one address."""

import asyncio
from ipaddress import IPv6Network, ip_address

from app.auth.address_limit import MEMORY, AddressLimiter
from app.auth.administrators import Administrator, AdministratorDesk
from app.auth.sessions import Login, NoSession, Sessions
from app.core.audit import ACTOR, Actor
from app.core.errors import RateLimited

LOGINS_PER_MINUTE = 5
"""From one address, whether they succeed or not; an IPv6 address counts as all of its /64."""


class WrongPassword(ValueError):
    """The name or the password is wrong; the message, which is a sentence, does not say which."""


class Logins:
    """Passwords are tried here and nowhere else.

    Args:
        storage_url: where tries are counted, as `AddressLimiter` takes it.
    """

    def __init__(self, desk: AdministratorDesk, sessions: Sessions, storage_url: str = MEMORY) -> None:
        self._desk = desk
        self._sessions = sessions
        self._limiter = AddressLimiter(LOGINS_PER_MINUTE, "logins", storage_url)
        self._turn = asyncio.Lock()

    async def begin(self, name: str, password: str, address: str, agent: str) -> Login:
        """Log somebody in.

        Raises:
            WrongPassword: of the name or the password, one is wrong.
            RateLimited: there were too many tries from that address in the last minute; nothing was looked at.
            DatabaseUnavailable: nobody can be logged in now.
        """
        await self._count(address)
        administrator = await self._desk.log_in(name.strip(), password)
        if administrator is None:
            raise WrongPassword("The name or the password is wrong.")
        return await self._let_in(administrator, address, agent)

    async def begin_first(self, code: str, password: str, address: str, agent: str) -> Login:
        """Make the first administrator, by the code that the operator's terminal shows, and log them in.

        Raises:
            WrongCode, InvalidPassword, AdministratorExists: nobody was made.
            WrongPassword, RateLimited, DatabaseUnavailable: as `begin`.
        """
        await self._count(address)
        return await self._let_in(await self._desk.add_first(code, password), address, agent)

    async def change_password(self, name: str, password: str, new_password: str, address: str) -> None:
        """Give whoever is logged in, and says the password of now, another one; all of their sessions end.

        Raises:
            WrongPassword, RateLimited, DatabaseUnavailable: as `begin`.
            InvalidPassword: the new one cannot be one.
        """
        await self._count(address)
        if await self._desk.log_in(name, password) is None:
            raise WrongPassword("The password of now is wrong.")
        await self._desk.set_password(name, new_password)

    async def _let_in(self, administrator: Administrator, address: str, agent: str) -> Login:
        ACTOR.set(Actor("admin", administrator.name, address))
        try:
            return await self._sessions.begin(administrator, address, agent)
        except NoSession as exc:
            raise WrongPassword("The password was changed just now.") from exc

    async def _count(self, address: str) -> None:
        """One try of a password or a code; `RateLimited` where there were too many."""
        client = client_of(address)
        async with self._turn:  # of many at once, only so many come through
            if seconds := self._limiter.seconds_blocked(client):
                raise RateLimited(
                    f"More than {LOGINS_PER_MINUTE} logins a minute from this address. Try again in {seconds} s.",
                    headers=[("retry-after", str(seconds))],
                )
            await self._limiter.note(client)


def client_of(address: str) -> str:
    """Who an address stands for: of IPv6, one client has a whole /64 to choose from (RFC 6177, RFC 7934)."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False))
