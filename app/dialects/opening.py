"""A request's body, opened: what every API checks before it looks at what is its own; and written anew."""

from collections.abc import Mapping
from typing import TypeGuard

from app.core.errors import InvalidRequest
from app.core.jsonio import InvalidJson, Json, dumps, loads

# Names go into logs, rows and the search for similar ones; the longest in use have some 100 characters.
MAX_NAME_LENGTH = 512

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def open_body(body: bytes) -> tuple[bytes, dict[str, Json]]:
    """The body without a byte-order mark, and the object that it is.

    Raises:
        InvalidRequest: it is no JSON object.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        payload = loads(body)
    except InvalidJson as exc:
        raise InvalidRequest(f"The request body is not valid JSON: {exc}.", code="invalid_json") from None
    if not isinstance(payload, dict):
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_json")
    return body, payload


def write_body(payload: Mapping[str, Json]) -> bytes:
    """The body that says `payload`.

    Raises:
        InvalidRequest: it nests too deeply to be written anew.
    """
    try:
        return dumps(payload)
    except InvalidJson as exc:
        raise InvalidRequest(f"The request body cannot be passed on: {exc}.", code="invalid_json") from None


def is_name(value: Json) -> TypeGuard[str]:
    """Whether `value` can be the name of a model."""
    return isinstance(value, str) and bool(value.strip()) and len(value) <= MAX_NAME_LENGTH
