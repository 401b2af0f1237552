"""Fields of a client's request, where the API is more lenient than others.

It is protobuf in JSON: it takes `snake_case` as well as `camelCase`, a single value where it wants a list, and null for what is
not there.
"""

import re

from app.core.jsonio import Json
from app.dialects.fields import as_list, as_object, as_texts

Fields = dict[str, Json]

_UNDERSCORE = re.compile(r"(?<=.)_([a-z0-9])")


def camel(key: str) -> str:
    """The name of a field as we write it."""
    return _UNDERSCORE.sub(lambda match: match[1].upper(), key) if "_" in key else key


def read_fields(value: Json, path: str) -> Fields:
    """The fields of an object that are there, by their names in camelCase. All functions here raise `InvalidRequest`."""
    return {camel(key): field for key, field in as_object(value, path).items() if field is not None}


def read_list(value: Json, path: str) -> list[Json]:
    """A list; one object alone is a list of one."""
    return [value] if isinstance(value, dict) else as_list(value, path)


def read_texts(value: Json, path: str) -> tuple[str, ...]:
    """A list of strings; one alone is a list of one."""
    return (value,) if isinstance(value, str) else as_texts(value, path)
