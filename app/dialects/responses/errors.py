"""Errors: as responses they are those of Chat; inside a reply they have a code, of which the status is guessed."""

from collections.abc import Mapping, Sequence

from app.core.errors import RelayError, UpstreamError
from app.core.events import Failed
from app.core.jsonio import Json
from app.core.redaction import redact_json
from app.dialects.openai import errors as chat
from app.dialects.responses.wire import frame

write_error = chat.write_error

# Codes of failed responses and kinds of errors, as OpenAI and those who speak its dialect write them.
_STATUSES = {
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "requests": 429,
    "tokens": 429,
    "overloaded_error": 529,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "vector_store_timeout": 504,
    "timeout": 504,
    "server_error": 500,
    "internal_server_error": 500,
    "api_error": 500,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "unsupported_country_region_territory": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "context_length_exceeded": 400,
    "string_above_max_length": 400,
    "bio_policy": 400,
    "cyber_policy": 400,
    "misalignment_policy_violation": 400,
    "data_residency_mismatch": 400,
    "unsupported_image_media_type": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
}
_CLIENTS_FAULT = ("invalid_", "image_", "unsupported_")


def read_error(
    status: int, body: bytes, provider: str, retry_after: str | None, secrets: Sequence[str]
) -> UpstreamError:
    """A provider's error response as ours, without secrets."""
    return chat.read_error(status, body, provider=provider, retry_after=retry_after, secrets=secrets)


def write_error_event(error: RelayError) -> bytes:
    """An error as the last event of a stream."""
    return frame(
        {"type": "error", "sequence_number": 0, **write_failure(error.message, error.type, error.code, error.param)}
    )


def write_failure(message: str, kind: str | None, code: str | None, param: str | None = None) -> dict[str, Json]:
    """The fields of an `error` event.

    OpenAI's reference has them at the top; its servers send them in `error`, and there its SDK looks for them.
    """
    fields = {"code": code or kind, "message": message, "param": param}
    return {**fields, "error": {"type": kind or "server_error", **fields}}


def read_failure(reported: Mapping[str, Json]) -> Failed:
    """What an `error` event or a failed response tells: an object with `error`, or with its fields at the top."""
    error = reported.get("error")
    if not isinstance(error, dict):
        words = error if isinstance(error, str) else reported.get("message")
        error = {key: value for key, value in reported.items() if key in ("code", "param")} | {"message": words}
    error = redact_json(error)
    code, kind = error.get("code"), error.get("type")
    words = error.get("message")
    message = words if isinstance(words, str) and words else "The provider reported an error without words."
    return Failed(
        message,
        status=_status(code, kind),
        type=kind if isinstance(kind, str) else None,
        code=code if isinstance(code, str) else None,
        body=error,
    )


def _status(code: Json, kind: Json) -> int:
    if isinstance(code, int) and 400 <= code < 600:
        return code
    for word in (code, kind):
        if not isinstance(word, str):
            continue
        if word in _STATUSES:
            return _STATUSES[word]
        if word.startswith(_CLIENTS_FAULT):
            return 400
        if word.isdecimal() and 400 <= int(word[:4]) < 600:
            return int(word[:4])
    return 502
