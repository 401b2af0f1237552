"""Fields of a client's request by their keys.

What is null counts as absent: clients write out what they leave to the default. A wrong one raises `InvalidRequest`.
"""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.dialects.fields import as_flag, as_integer, as_list, as_number, as_object, as_text, optional, wrong

Fields = Mapping[str, Json]


def path_of(where: str, key: str) -> str:
    """The path of the field `key` of the object at `where`, which is "" for the request itself."""
    return f"{where}.{key}" if where else key


def read_text(fields: Fields, key: str, where: str = "") -> str | None:
    """A string, or None where there is none."""
    return optional(as_text, fields.get(key), path_of(where, key))


def need_text(fields: Fields, key: str, where: str) -> str:
    """A string that must be there and not be empty."""
    value = fields.get(key)
    if isinstance(value, str) and value:
        return value
    raise wrong(path_of(where, key), "a string that is not empty")


def read_integer(fields: Fields, key: str, where: str = "") -> int | None:
    """A whole number."""
    return optional(as_integer, fields.get(key), path_of(where, key))


def read_number(fields: Fields, key: str, where: str = "") -> float | None:
    """A number."""
    return optional(as_number, fields.get(key), path_of(where, key))


def read_flag(fields: Fields, key: str, where: str = "") -> bool | None:
    """True or false."""
    return optional(as_flag, fields.get(key), path_of(where, key))


def read_object(fields: Fields, key: str, where: str = "") -> Fields | None:
    """An object."""
    return optional(as_object, fields.get(key), path_of(where, key))


def need_object(fields: Fields, key: str, where: str) -> Fields:
    """An object that must be there."""
    return as_object(fields.get(key), path_of(where, key))


def read_list(fields: Fields, key: str, where: str = "") -> list[Json]:
    """A list; an empty one where there is none."""
    return optional(as_list, fields.get(key), path_of(where, key)) or []
