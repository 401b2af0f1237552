"""Administrators: who may log in to the dashboard, as what, and how the first of them is made."""

import hmac
import re
import secrets
from collections.abc import Awaitable
from typing import Literal, get_args

from app.auth.passwords import InvalidPassword as InvalidPassword
from app.auth.passwords import check_password, hash_password, is_password
from app.core.audit import changing
from app.store.administrators import Administrator as Administrator
from app.store.administrators import (
    Exists,
    OnlyOne,
    add_administrator,
    delete_administrator,
    find_administrator,
    list_administrators,
    read_setup_code,
    set_password,
    set_role,
    show_setup_code,
)
from app.store.db import Database
from app.store.times import now_ms

Role = Literal["admin", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)

FIRST_NAME = "admin"
"""Of the administrator that a first visit makes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}")
# Workers of one start come up within this; a start that an operator makes again comes later.
_ONE_START_MS = 10_000
# No vowels and nothing that looks like something else: it is typed by hand.
_CODE_LETTERS = "bcdfghjkmnpqrstvwxz23456789"


class NoSuchAdministrator(LookupError):
    """There is none of that name; the message is a sentence."""


class AdministratorExists(ValueError):
    """There is one of that name already, or, for the first, any; the message is a sentence."""


class LastAdministrator(ValueError):
    """Nobody would be left who may change anything; the message is a sentence."""


class InvalidName(ValueError):
    """An administrator cannot be called so, or have that role; the message is a sentence."""


class WrongCode(ValueError):
    """That is not the code that the terminal shows; the message is a sentence."""


class AdministratorDesk:
    """Lists, makes, changes and removes them. All functions raise `DatabaseUnavailable`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list_all(self) -> list[Administrator]:
        """All of them, by name."""
        return await list_administrators(self._db)

    async def has_any(self) -> bool:
        """Whether a first one was made."""
        return bool(await list_administrators(self._db))

    async def log_in(self, name: str, password: str) -> Administrator | None:
        """Who that is; None where name or password are wrong, after the same time for either."""
        found = await find_administrator(self._db, name) if _NAME.fullmatch(name) else None
        return found if await is_password(found.password_hash if found else None, password) else None

    async def add(self, name: str, role: str, password: str) -> Administrator:
        """Let somebody in.

        Raises:
            InvalidName, InvalidPassword: they cannot be.
            AdministratorExists: there is one of that name.
        """
        return await self._add(_checked_name(name), _checked_role(role), check_password(password))

    async def add_first(self, code: str, password: str) -> Administrator:
        """Make the first one, by the code that the operator's terminal shows.

        Raises:
            WrongCode: it is another.
            InvalidPassword: it cannot be one.
            AdministratorExists: there is an administrator already.
        """
        if (right := await read_setup_code(self._db)) is None:
            raise AdministratorExists("There is an administrator already: log in.")
        typed = "".join(code.split()).lower().replace("-", "")
        if not hmac.compare_digest(typed.encode(), right.replace("-", "").encode()):
            raise WrongCode("That is not the code that the terminal of the gateway shows.")
        return await self._add(FIRST_NAME, "admin", check_password(password), only_as_first=True)

    async def ensure_first(self, password: str) -> bool:
        """Make the first one with a password of the operator's, if there is none yet.

        Raises:
            InvalidPassword: it cannot be one.
        """
        if await self.has_any():
            return False
        try:
            await self._add(FIRST_NAME, "admin", check_password(password), only_as_first=True)
        except AdministratorExists:  # another worker was quicker
            return False
        return True

    async def show_code(self) -> str | None:
        """The code for the first visit, for whoever is to show it at this start; None for all others, and where it is not needed."""
        letters = "".join(secrets.choice(_CODE_LETTERS) for _ in range(12))
        code, now = f"{letters[:4]}-{letters[4:8]}-{letters[8:]}", now_ms()
        return await show_setup_code(self._db, code, now, now - _ONE_START_MS)

    async def read_code(self) -> str | None:
        """The code for the first visit; None where it is not needed, or no start has shown it yet."""
        return await read_setup_code(self._db)

    async def set_password(self, name: str, password: str) -> None:
        """Give another password; all sessions of that administrator end.

        Raises:
            NoSuchAdministrator: there is none of that name.
            InvalidPassword: it cannot be one.
        """
        await self._find(name)
        hashed = await hash_password(check_password(password))
        with changing("administrator.password", name):
            await set_password(self._db, name, hashed, now_ms())

    async def modify(self, name: str, *, role: str | None = None, password: str | None = None) -> Administrator:
        """Give another role, another password, or both; what is None stays.

        Raises:
            NoSuchAdministrator, InvalidName, InvalidPassword, LastAdministrator
        """
        if password is not None:
            check_password(password)
        if role is not None:
            await self.set_role(name, role)
        if password is not None:
            await self.set_password(name, password)
        return await self._find(name)

    async def set_role(self, name: str, role: str) -> Administrator:
        """Give another role; it counts from the next request on.

        Raises:
            NoSuchAdministrator, InvalidName, LastAdministrator
        """
        found = await self._find(name)
        if found.role == _checked_role(role):
            return found
        with changing("administrator.role", name, before={"role": found.role}, after={"role": role}):
            await self._unless_last(name, set_role(self._db, name, role, now_ms()))
        return await self._find(name)

    async def delete(self, name: str) -> None:
        """Remove one; all sessions end.

        Raises:
            NoSuchAdministrator, LastAdministrator
        """
        found = await self._find(name)
        with changing("administrator.delete", name, before={"role": found.role}):
            await self._unless_last(name, delete_administrator(self._db, name))

    async def _find(self, name: str) -> Administrator:
        if (found := await find_administrator(self._db, name)) is None:
            raise NoSuchAdministrator(f"There is no administrator {name!r}.")
        return found

    async def _unless_last(self, name: str, change: Awaitable[None]) -> None:
        try:
            await change
        except OnlyOne as exc:
            raise LastAdministrator(
                f"{name!r} is the last one who may change anything; make another admin first."
            ) from exc

    async def _add(self, name: str, role: Role, password: str, *, only_as_first: bool = False) -> Administrator:
        hashed = await hash_password(password)
        with changing("administrator.add", name, after={"role": role}):
            try:
                await add_administrator(self._db, name, role, hashed, now_ms(), only_as_first=only_as_first)
            except Exists as exc:
                raise AdministratorExists(
                    "There is an administrator already: log in." if only_as_first else f"There is {name!r} already."
                ) from exc
        return await self._find(name)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidName("A name has letters, digits and @ . _ - only, 64 at most.")
    return name


def _checked_role(role: str) -> Role:
    for each in ROLES:
        if role == each:
            return each
    raise InvalidName(f"A role is one of {', '.join(ROLES)}.")
