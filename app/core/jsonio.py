"""JSON in and out: orjson, and the standard library for the few texts that orjson refuses."""

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

Json = Any
"""A decoded JSON value. It becomes a type of ours soon after the edge."""


class InvalidJson(ValueError):
    """The bytes are not one JSON value that can be held, or it nests deeper than parsers and writers go."""


def loads(data: bytes | bytearray | memoryview | str) -> Json:
    """Decode one JSON value (RFC 8259).

    orjson refuses lone surrogates and a byte-order mark, which clients and providers do send; the standard library takes
    those. An integer beyond 64 bits may become a float.

    Raises:
        InvalidJson: the text is no JSON, or has a number beyond what a float holds; the message says where.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as refusal:
        return _loads_leniently(data, refusal)


def loads_repaired(data: bytes) -> Json:
    """The same, with U+FFFD in the place of broken UTF-8: half a character is no reason to lose an answer.

    Raises:
        InvalidJson: as `loads`.
    """
    try:
        return loads(data)
    except InvalidJson:
        return loads(data.decode("utf-8-sig", "replace"))


def is_utf8(data: bytes) -> bool:
    """True where a strict reader can decode `data`."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def dumps(value: Json, default: Callable[[Any], Json] | None = None) -> bytes:
    """Encode `value` compactly as UTF-8; what UTF-8 cannot hold (lone surrogates) is written as an escape.

    Args:
        default: gives what is written for a value that is none of JSON's, or raises TypeError.

    Raises:
        InvalidJson: it nests too deeply. Of what `loads` gave, only some objects near its own limit do.
    """
    try:
        return orjson.dumps(value, default)
    except TypeError:
        return _dumps_leniently(value, default)


def is_same(one: Json, other: Json) -> bool:
    """Whether both are written alike, whatever the order of their members; for Python, `true` and `1` and `1.0` are equal."""
    written = (json.dumps(each, sort_keys=True, default=str) for each in (one, other))
    return next(written) == next(written)


def mark_of(value: Json) -> str:
    """What tells it from all that is not written alike: 32 letters."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _dumps_leniently(value: Json, default: Callable[[Any], Json] | None) -> bytes:
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=default)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return json.dumps(value, separators=(",", ":"), allow_nan=False, default=default).encode()
    except RecursionError:
        raise InvalidJson("it nests too deeply") from None


def _loads_leniently(data: bytes | bytearray | memoryview | str, refusal: orjson.JSONDecodeError) -> Json:
    try:
        text = data if isinstance(data, str) else bytes(data).decode("utf-8-sig", "surrogatepass")
        return json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidJson(str(refusal)) from None


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InvalidJson(f"{digits} is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")
