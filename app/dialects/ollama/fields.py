"""The fields of a client's request, each of the type that Ollama's API gives it, or a word on what is wrong."""

from collections.abc import Mapping

from app.core.errors import InvalidRequest
from app.core.jsonio import Json

# What is beyond is no count; Ollama itself holds these in 64 bits.
_MOST = 1 << 63


def wrong(path: str, expected: str) -> InvalidRequest:
    """The error for a field that is not what it must be."""
    return InvalidRequest(f"{path} must be {expected}.", param=path)


def read_object(holder: Mapping[str, Json], key: str, path: str) -> Mapping[str, Json]:
    """The object under `key`; empty where there is none."""
    value = holder.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(path, "an object")
    return value


def read_list(holder: Mapping[str, Json], key: str, path: str) -> list[Json]:
    """The list under `key`; empty where there is none."""
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise wrong(path, "a list")
    return value


def read_text(holder: Mapping[str, Json], key: str, path: str) -> str:
    """The text under `key`; Ollama makes no difference between an empty one and none."""
    value = holder.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(path, "a string")
    return value


def read_number(holder: Mapping[str, Json], key: str, path: str) -> float | None:
    """The number under `key`, as it came."""
    value = holder.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(path, "a number")
    return value


def read_integer(holder: Mapping[str, Json], key: str, path: str) -> int | None:
    """The whole number under `key`. Clients do write 5.0, and Ollama takes it."""
    value = read_number(holder, key, path)
    if value is None:
        return None
    if value != value // 1 or not -_MOST <= value < _MOST:
        raise wrong(path, "a whole number")
    return int(value)


def read_texts(holder: Mapping[str, Json], key: str, path: str) -> tuple[str, ...]:
    """The texts under `key`: one, or a list of them."""
    value = holder.get(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise wrong(path, "a string or a list of strings")
    return tuple(value)
