"""Administrators' passwords: hashed by Argon2id, and tried in the same time whether or not there is such an administrator."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 8
LONGEST = 1024

_AT_ONCE = 2  # each takes 64 MiB, and anybody may try: however many do, from however many addresses, calls go on

T = TypeVar("T")


class InvalidPassword(ValueError):
    """It cannot be one; the message is a sentence."""


def check_password(password: str) -> str:
    """The same.

    Raises:
        InvalidPassword: it is too short or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidPassword(f"A password has from {SHORTEST} to {LONGEST} characters.")
    return password


async def hash_password(password: str) -> str:
    """In a thread: it takes some 50 ms, on purpose."""
    return await _in_turn(lambda: _hasher().hash(password))


async def is_password(stored: str | None, password: str) -> bool:
    """Whether `password` is what was hashed; False for None, after as long."""
    return await _in_turn(lambda: _verify(stored, password))


async def _in_turn(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_threads(), work)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")


def _verify(stored: str | None, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    hasher, decoy = _hasher(), _decoy()
    try:
        return hasher.verify(stored or decoy, password) and stored is not None
    except (Argon2Error, InvalidHashError):
        return False


@lru_cache(maxsize=1)
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher()  # the parameters of RFC 9106 for machines with little memory


@lru_cache(maxsize=1)
def _decoy() -> str:
    return _hasher().hash("nobody has this one")
