"""Errors that come with status 200: inside a stream, or in the place of a reply."""

from collections.abc import Mapping

from app.core.errors import UpstreamError
from app.core.jsonio import Json, dumps
from app.dialects.openai.errors import read_error

# The words of OpenAI, its compatible servers, and of those whose errors some of them pass on.
_STATUSES = {
    **dict.fromkeys(("invalid_request_error", "invalid_request", "context_length_exceeded", "bad_request"), 400),
    **dict.fromkeys(("authentication_error", "invalid_api_key"), 401),
    **dict.fromkeys(("permission_error", "permission_denied"), 403),
    **dict.fromkeys(("not_found_error", "model_not_found"), 404),
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "rate_limit", "insufficient_quota"), 429),
    **dict.fromkeys(("requests", "tokens"), 429),  # what OpenAI's limits are on
    **dict.fromkeys(("server_error", "api_error", "internal_error", "internal_server_error"), 500),
    **dict.fromkeys(("service_unavailable", "engine_overloaded"), 503),
    **dict.fromkeys(("timeout", "timeout_error"), 504),
    **dict.fromkeys(("overloaded_error", "overloaded"), 529),
}


def read_failure(chunk: Mapping[str, Json], choice: Mapping[str, Json]) -> UpstreamError:
    """The error that a chunk or a reply, or its `choice`, tells of; its status is told by its code or its type, or else 502."""
    told = chunk if chunk.get("error") or not choice.get("error") else choice
    if not told.get("error") and "message" not in told:
        return UpstreamError("The provider ended its answer with an error.", status=502)
    error = read_error(200, dumps(told), provider="The provider", retry_after=None, secrets=())
    if error.status == 502:
        error.status = _status(error.code) or _status(error.type) or 502
    return error


def _status(word: str | None) -> int | None:
    if word is None:
        return None
    if word.isdecimal() and len(word) == 3 and 400 <= int(word) < 600:
        return int(word)
    return _STATUSES.get(word)
