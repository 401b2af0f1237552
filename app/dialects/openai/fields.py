"""Fields of a client's request: each as the type that it must have, or an error that names it.

What is null counts as absent: clients write out what they leave to the default.
"""

from collections.abc import Mapping

from app.core.errors import InvalidRequest
from app.core.jsonio import Json

Fields = Mapping[str, Json]


def wrong(path: str, expected: str) -> InvalidRequest:
    """The error for a field that is not what is `expected`: words that go on after "must be"."""
    return InvalidRequest(f"{path} must be {expected}.", param=path)


def path_of(where: str, key: str) -> str:
    """The path of the field `key` of the object at `where`, which is "" for the request itself."""
    return f"{where}.{key}" if where else key


def read_text(fields: Fields, key: str, where: str = "") -> str | None:
    """A string, or None where there is none. Raises `InvalidRequest`, as all of these do."""
    value = fields.get(key)
    if value is None or isinstance(value, str):
        return value
    raise wrong(path_of(where, key), "a string")


def need_text(fields: Fields, key: str, where: str) -> str:
    """A string that must be there and not be empty."""
    value = fields.get(key)
    if isinstance(value, str) and value:
        return value
    raise wrong(path_of(where, key), "a string that is not empty")


def read_integer(fields: Fields, key: str, where: str = "") -> int | None:
    """A whole number; `100.0` is one."""
    value = fields.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise wrong(path_of(where, key), "a whole number")


def read_number(fields: Fields, key: str, where: str = "") -> float | None:
    """A number."""
    value = fields.get(key)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise wrong(path_of(where, key), "a number")


def read_flag(fields: Fields, key: str, where: str = "") -> bool | None:
    """True or false."""
    value = fields.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise wrong(path_of(where, key), "true or false")


def read_object(fields: Fields, key: str, where: str = "") -> Fields | None:
    """An object."""
    value = fields.get(key)
    return None if value is None else as_object(value, path_of(where, key))


def need_object(fields: Fields, key: str, where: str) -> Fields:
    """An object that must be there."""
    return as_object(fields.get(key), path_of(where, key))


def read_list(fields: Fields, key: str, where: str = "") -> list[Json]:
    """A list; an empty one where there is none."""
    value = fields.get(key)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise wrong(path_of(where, key), "a list")


def as_object(value: Json, path: str) -> Fields:
    """`value`, which must be an object."""
    if isinstance(value, dict):
        return value
    raise wrong(path, "an object")
