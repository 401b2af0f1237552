"""JSON in and out: orjson, and the standard library for the few texts that orjson refuses."""

import json
from typing import Any, NoReturn

import orjson

Json = Any
"""A decoded JSON value. It becomes a type of ours soon after the edge."""


class InvalidJson(ValueError):
    """The bytes are not one JSON value, or nest deeper than the parsers go."""


def loads(data: bytes | bytearray | memoryview | str) -> Json:
    """Decode one JSON value (RFC 8259).

    orjson refuses lone surrogates, a byte-order mark and integers beyond 64 bits, which clients and providers do send;
    the standard library takes those.

    Raises:
        InvalidJson: the text is no JSON; the message says where.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as refusal:
        return _loads_leniently(data, refusal)


def dumps(value: Json) -> bytes:
    """Encode `value` compactly as UTF-8; what UTF-8 cannot hold (lone surrogates) is written as an escape."""
    try:
        return orjson.dumps(value)
    except TypeError:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _loads_leniently(data: bytes | bytearray | memoryview | str, refusal: orjson.JSONDecodeError) -> Json:
    try:
        text = data if isinstance(data, str) else bytes(data).decode("utf-8-sig", "surrogatepass")
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidJson(str(refusal)) from None


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")
