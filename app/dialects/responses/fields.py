"""The fields of a client's request, each checked for its type and named where it is wrong."""

from collections.abc import Mapping

from app.core.errors import InvalidRequest
from app.core.jsonio import Json


def wrong(param: str, expected: str) -> InvalidRequest:
    """The error that says what `param` must be."""
    return InvalidRequest(f"{param} must be {expected}.", param=param)


def read_text(value: Json, param: str) -> str:
    """`value`, which is to be a string."""
    if not isinstance(value, str):
        raise wrong(param, "a string")
    return value


def read_object(value: Json, param: str) -> Mapping[str, Json]:
    """`value`, which is to be an object."""
    if not isinstance(value, dict):
        raise wrong(param, "an object")
    return value


def read_list(value: Json, param: str) -> list[Json]:
    """`value`, which is to be a list; none is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(param, "a list")
    return value


def find_text(fields: Mapping[str, Json], key: str, within: str = "") -> str | None:
    """The string `key`, where there is one. `within` is the path of `fields`, such as `input[0].`."""
    value = fields.get(key)
    return None if value is None else read_text(value, within + key)


def find_object(fields: Mapping[str, Json], key: str, within: str = "") -> Mapping[str, Json] | None:
    """The object `key`, where there is one."""
    value = fields.get(key)
    return None if value is None else read_object(value, within + key)


def find_flag(fields: Mapping[str, Json], key: str, within: str = "") -> bool | None:
    """True or false, where `key` is there."""
    value = fields.get(key)
    if value is not None and not isinstance(value, bool):
        raise wrong(within + key, "true or false")
    return value


def find_number(fields: Mapping[str, Json], key: str) -> float | None:
    """The number `key`, where there is one."""
    value = fields.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise wrong(key, "a number")
    return value


def find_count(fields: Mapping[str, Json], key: str, within: str = "") -> int | None:
    """The whole number `key`, where there is one; some clients write it with a point."""
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(within + key, "a whole number")
    return value
