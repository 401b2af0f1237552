"""Anthropic's error object: ours written as one, and a provider's read."""

from collections.abc import Mapping, Sequence

from app.core.errors import RelayError, UpstreamError
from app.core.events import Failed
from app.core.jsonio import Json, dumps
from app.core.redaction import redact_json
from app.dialects.error_body import read_document
from app.dialects.openai.errors import read_error as read_any_error

_TYPES: dict[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES = {kind: status for status, kind in _TYPES.items()}
_UNKNOWN_STATUS = 502


def write_error(error: RelayError) -> bytes:
    """The body of an error response. A provider's own fields are kept where they are of this shape."""
    return dumps(_document(error))


def write_error_event(error: RelayError) -> bytes:
    """The same as an event of a stream; the stream then ends."""
    return write_event("error", _document(error))


def write_failure(failed: Failed) -> bytes:
    """An error that a provider reported inside a stream, as an event."""
    document = {"type": "error", "error": {"type": _type_of(failed.status, failed.type), "message": failed.message}}
    return write_event("error", document)


def write_event(kind: str, document: Mapping[str, Json]) -> bytes:
    """One event of a stream: its kind stands beside its data and in it."""
    return b"event: " + kind.encode() + b"\ndata: " + dumps(document) + b"\n\n"


def read_error(
    status: int, body: bytes, provider: str, retry_after: str | None, secrets: Sequence[str]
) -> UpstreamError:
    """A provider's error response as ours, without secrets.

    Whatever is not of this shape, such as a page of a proxy before the API, is read as OpenAI's reader does, which knows
    many. An error that comes with status 200 has the status of its type.
    """
    document = read_document(body, secrets)
    found = _find_error(document)
    if found is None:
        return read_any_error(status, body, provider=provider, retry_after=retry_after, secrets=secrets)
    kind = found["type"]
    return UpstreamError(
        found["message"],
        status=status if status >= 400 else _STATUSES.get(kind, _UNKNOWN_STATUS),
        body=document,
        type=kind,
        retry_after=retry_after,
    )


def read_failure(event: Mapping[str, Json]) -> Failed:
    """The error that an event of a stream tells of."""
    document = redact_json(dict(event))
    error = document.get("error")
    if not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else document.get("message")}
    message, kind = error.get("message"), error.get("type")
    kind = kind if isinstance(kind, str) else None
    return Failed(
        message if isinstance(message, str) and message else "The provider reported an error.",
        status=_STATUSES.get(kind or "", _UNKNOWN_STATUS),
        type=kind,
        body=error,
    )


def _document(error: RelayError) -> dict[str, Json]:
    body = error.body if isinstance(error, UpstreamError) else None
    found = _find_error(body)
    if body is not None and found is not None:
        return {**body, "error": {**found, "message": error.message}}
    return {"type": "error", "error": {"type": _type_of(error.status, error.type), "message": error.message}}


def _type_of(status: int, kind: str | None) -> str:
    """The type that belongs to `status`; a type of Anthropic's own is kept where the status tells less."""
    if status in _TYPES:
        return _TYPES[status]
    if kind in _STATUSES:
        return str(kind)
    return "invalid_request_error" if status < 500 else "api_error"


def _find_error(document: Json) -> Mapping[str, Json] | None:
    """The error of a document of this shape."""
    if not isinstance(document, dict) or document.get("type") != "error":
        return None
    error = document.get("error")
    if isinstance(error, dict) and isinstance(error.get("type"), str) and isinstance(error.get("message"), str):
        return error
    return None
