"""Values of a client's request: each as the type that it must have, or an error that names it by its path.

How a field is found, and what stands for one that is not there, is each API's own matter.
"""

from collections.abc import Callable
from typing import TypeVar

from app.core.errors import InvalidRequest
from app.core.jsonio import Json

T = TypeVar("T")


def wrong(path: str, expected: str) -> InvalidRequest:
    """The error for a field that is not what is `expected`: words that go on after "must be"."""
    return InvalidRequest(f"{path} must be {expected}.", param=path)


def optional(read: Callable[[Json, str], T], value: Json, path: str) -> T | None:
    """What `read` makes of `value`; None where the field is not there, or null."""
    return None if value is None else read(value, path)


def as_object(value: Json, path: str) -> dict[str, Json]:
    """`value`, which must be an object. Raises `InvalidRequest`, as all of these do."""
    if not isinstance(value, dict):
        raise wrong(path, "an object")
    return value


def as_list(value: Json, path: str) -> list[Json]:
    """`value`, which must be a list."""
    if not isinstance(value, list):
        raise wrong(path, "a list")
    return value


def as_text(value: Json, path: str) -> str:
    """`value`, which must be a string."""
    if not isinstance(value, str):
        raise wrong(path, "a string")
    return value


def as_texts(value: Json, path: str) -> tuple[str, ...]:
    """`value`, which must be a list of strings."""
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise wrong(path, "a list of strings")
    return tuple(value)


def as_number(value: Json, path: str) -> float:
    """`value`, which must be a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(path, "a number")
    return value


def as_integer(value: Json, path: str) -> int:
    """`value`, which must be a whole number; `100.0` is one."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(path, "a whole number")
    return value


def as_flag(value: Json, path: str) -> bool:
    """`value`, which must be true or false."""
    if not isinstance(value, bool):
        raise wrong(path, "true or false")
    return value
