"""Fields of a client's request by their keys; Ollama makes no difference between an empty one and none."""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.dialects.fields import as_list, as_number, as_object, as_text, optional, wrong

# What is beyond is no count; Ollama itself holds these in 64 bits.
_MOST = 1 << 63


def read_object(holder: Mapping[str, Json], key: str, path: str) -> Mapping[str, Json]:
    """The object under `key`; empty where there is none."""
    return optional(as_object, holder.get(key), path) or {}


def read_list(holder: Mapping[str, Json], key: str, path: str) -> list[Json]:
    """The list under `key`; empty where there is none."""
    return optional(as_list, holder.get(key), path) or []


def read_text(holder: Mapping[str, Json], key: str, path: str) -> str:
    """The text under `key`; empty where there is none."""
    return optional(as_text, holder.get(key), path) or ""


def read_number(holder: Mapping[str, Json], key: str, path: str) -> float | None:
    """The number under `key`, as it came."""
    return optional(as_number, holder.get(key), path)


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
