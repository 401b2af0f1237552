"""Fields of a client's request by their keys; `within` is the path of `fields`, such as `input[0].`."""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.dialects.fields import as_flag, as_integer, as_list, as_number, as_object, as_text, optional


def read_list(value: Json, param: str) -> list[Json]:
    """`value`, which is to be a list; none is an empty one."""
    return optional(as_list, value, param) or []


def find_text(fields: Mapping[str, Json], key: str, within: str = "") -> str | None:
    """The string `key`, where there is one."""
    return optional(as_text, fields.get(key), within + key)


def find_object(fields: Mapping[str, Json], key: str, within: str = "") -> Mapping[str, Json] | None:
    """The object `key`, where there is one."""
    return optional(as_object, fields.get(key), within + key)


def find_flag(fields: Mapping[str, Json], key: str, within: str = "") -> bool | None:
    """True or false, where `key` is there."""
    return optional(as_flag, fields.get(key), within + key)


def find_number(fields: Mapping[str, Json], key: str) -> float | None:
    """The number `key`, where there is one."""
    return optional(as_number, fields.get(key), key)


def find_count(fields: Mapping[str, Json], key: str, within: str = "") -> int | None:
    """The whole number `key`, where there is one."""
    return optional(as_integer, fields.get(key), within + key)
