"""Fields of a client's request: each as the type that it must have, or an error that names it by its path.

The API is protobuf in JSON: it takes `snake_case` as well as `camelCase`, a single value where it wants a list, `1.0` for 1,
and null for what is not there.
"""

import re

from app.core.errors import InvalidRequest
from app.core.jsonio import Json

Fields = dict[str, Json]

_UNDERSCORE = re.compile(r"(?<=.)_([a-z0-9])")


def wrong(path: str, expected: str) -> InvalidRequest:
    """The error for a field that is not what is `expected`: words that go on after "must be"."""
    return InvalidRequest(f"{path} must be {expected}.", param=path)


def camel(key: str) -> str:
    """The name of a field as we write it."""
    return _UNDERSCORE.sub(lambda match: match[1].upper(), key) if "_" in key else key


def read_fields(value: Json, path: str) -> Fields:
    """The fields of an object that are there, by their names in camelCase. All functions here raise `InvalidRequest`."""
    if not isinstance(value, dict):
        raise wrong(path, "an object")
    return {camel(key): field for key, field in value.items() if field is not None}


def read_list(value: Json, path: str) -> list[Json]:
    """A list; one object alone is a list of one."""
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise wrong(path, "a list")
    return value


def read_text(value: Json, path: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong(path, "a string")
    return value


def read_texts(value: Json, path: str) -> tuple[str, ...]:
    """A list of strings."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise wrong(path, "a list of strings")
    return tuple(values)


def read_number(value: Json, path: str) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(path, "a number")
    return value


def read_integer(value: Json, path: str) -> int:
    """A whole number."""
    number = read_number(value, path)
    if isinstance(number, float) and not number.is_integer():
        raise wrong(path, "a whole number")
    return int(number)


def read_flag(value: Json, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(path, "true or false")
    return value
