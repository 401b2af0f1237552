"""Google's error object, `google.rpc.Status` in JSON: ours written as one, and a provider's read.

https://cloud.google.com/apis/design/errors: `code` is the HTTP status, `status` its word, `details` are typed objects.
"""

import re
from collections.abc import Mapping, Sequence

from app.core.errors import RelayError, UpstreamError
from app.core.events import Failed
from app.core.jsonio import Json, dumps
from app.core.redaction import redact_json
from app.dialects.error_body import read_document, words_of, write_excerpt
from app.dialects.framing import write_data

_NO_NAME = re.compile(r"[^A-Z0-9]+")
_SECONDS = re.compile(r"(\d{1,9})(\.\d+)?s")

_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_DOMAIN = "llm-relay"
# With status 400 and INVALID_ARGUMENT: https://ai.google.dev/gemini-api/docs/troubleshooting
_KEY_REFUSED = "API_KEY_INVALID"

# google/rpc/code.proto, with its mapping to HTTP.
_STATUSES = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}
_WORDS = {
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


def write_error(error: RelayError) -> bytes:
    """The body of an error response. The fields of a provider of this dialect are kept."""
    return dumps(error_object(error))


def write_error_event(error: RelayError) -> bytes:
    """The same as an event of a stream; the stream then ends."""
    return write_data(dumps(error_object(error)))


def error_object(error: RelayError) -> dict[str, Json]:
    """The document that says what happened."""
    body = error.body if isinstance(error, UpstreamError) else None
    own: dict[str, Json] = {"code": error.status, "message": error.message, "status": _word(error.status)}
    word = _text(body.get("status")) if body is not None else None
    if body is not None and word in _STATUSES:
        return {"error": {**body, **own, "status": word}}
    details: list[Json] = []
    if error.code is not None:
        reason = _NO_NAME.sub("_", error.code.upper())
        details.append({"@type": _ERROR_INFO, "reason": reason, "domain": _DOMAIN})
    if error.param is not None:
        violation = {"field": error.param, "description": error.message}
        details.append({"@type": _BAD_REQUEST, "fieldViolations": [violation]})
    wait = next((value for name, value in error.headers if name.lower() == "retry-after"), "")
    if wait.isdecimal():
        details.append({"@type": _RETRY_INFO, "retryDelay": f"{wait}s"})
    return {"error": {**own, "details": details} if details else own}


def read_error(
    status: int, body: bytes, provider: str, retry_after: str | None, secrets: Sequence[str]
) -> UpstreamError:
    """A provider's error response as ours, without secrets: Google's object, also in a list, and any text.

    An error that comes with status 200 has its status in `code`, or by its word, or else 502. Google says how long to wait in
    `details`, not in a header.
    """
    document = read_document(body, secrets)
    found = find_error(document)
    words = words_of(document, body, secrets)
    error = _read_object(found or {}, status)
    return UpstreamError(
        error.message or words or f"{provider} answered with status {error.status}.",
        status=error.status,
        body=error.body,
        type=error.type,
        code=error.code,
        retry_after=retry_after or _read_delay(found or {}),
        refuses_key=error.code == _KEY_REFUSED,
    )


def find_error(document: Json) -> Mapping[str, Json] | None:
    """The error object of a document, which may be in a list; None where the document is no error."""
    if isinstance(document, list):
        return next((found for item in document if (found := _find(item)) is not None), None)
    return _find(document)


def read_failure(error: Mapping[str, Json]) -> Failed:
    """An error object in the midst of a stream."""
    failed = _read_object(redact_json(error), 200)
    return Failed(
        failed.message or "The provider reported an error without a word.",
        status=failed.status,
        type=failed.type,
        code=failed.code,
        body=failed.body,
    )


def _read_object(error: Mapping[str, Json], status: int) -> Failed:
    word, code = _text(error.get("status")), error.get("code")
    if status < 400:
        said = code if isinstance(code, int) and 400 <= code < 600 else None
        status = said or _STATUSES.get(word or "", 502)
    reason = next(
        (_text(detail.get("reason")) for detail in _details(error) if detail.get("@type") == _ERROR_INFO), None
    )
    return Failed(_text(error.get("message")) or "", status, type=word, code=reason, body=dict(error) or None)


def _find(document: Json) -> Mapping[str, Json] | None:
    if not isinstance(document, dict) or not document.get("error"):
        return None
    error = document["error"]
    return error if isinstance(error, dict) else {"message": error if isinstance(error, str) else write_excerpt(error)}


def _read_delay(error: Mapping[str, Json]) -> str | None:
    """Seconds, rounded up, out of a `RetryInfo`."""
    for detail in _details(error):
        delay = _text(detail.get("retryDelay")) if detail.get("@type") == _RETRY_INFO else None
        if delay is not None and (found := _SECONDS.fullmatch(delay)) is not None:
            return str(int(found[1]) + (1 if found[2] else 0))
    return None


def _details(error: Mapping[str, Json]) -> list[dict[str, Json]]:
    details = error.get("details")
    return [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []


def _word(status: int) -> str:
    return _WORDS.get(status) or ("INVALID_ARGUMENT" if status < 500 else "INTERNAL")


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
