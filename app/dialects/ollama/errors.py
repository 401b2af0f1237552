"""Ollama's error object, `{"error": "words"}`: ours written as one, and a server's read."""

from collections.abc import Mapping, Sequence

from app.core.errors import RelayError, UpstreamError
from app.core.events import Failed
from app.core.jsonio import Json, dumps
from app.core.redaction import redact_json
from app.dialects.error_body import read_document, words_of, write_excerpt

# A server that has written its first bytes cannot tell a status any more; without one it would have said this.
_UNTOLD_STATUS = 500


def write_error(error: RelayError) -> bytes:
    """The body of an error response. What an Ollama server said beside its words is kept, such as `signin_url`."""
    own = error.body if isinstance(error, UpstreamError) and error.body and _is_ours(error.body) else {}
    return dumps({**own, "error": error.message})


def write_error_event(error: RelayError) -> bytes:
    """The same as the last line of a stream."""
    return write_error(error) + b"\n"


def read_error(
    status: int, body: bytes, provider: str, retry_after: str | None, secrets: Sequence[str]
) -> UpstreamError:
    """A provider's error response as ours, without secrets.

    Understood are `{"error": "words"}`, `{"error": {"message": "words"}}` as of its endpoints that speak OpenAI's dialect,
    `{"message": …}`, `{"detail": …}`, and any text, as of a proxy before it. An error with status 200 has 502.
    """
    document = read_document(body, secrets)
    return UpstreamError(
        _find_words(document) or words_of(document, body, secrets) or f"{provider} answered with status {status}.",
        status=status if status >= 400 else 502,
        body=document if isinstance(document, dict) else None,
        retry_after=retry_after,
    )


def read_failure(line: Mapping[str, Json]) -> Failed:
    """The error that a line of a stream tells of."""
    body = redact_json(dict(line))
    return Failed(_find_words(body) or write_excerpt(body["error"]) or "", status=_UNTOLD_STATUS, body=body)


def _find_words(document: Json) -> str | None:
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    inner = error.get("message") if isinstance(error, dict) else None
    for words in (error, inner, document.get("message"), document.get("detail")):
        if isinstance(words, str) and words:
            return words
    return None


def _is_ours(body: Mapping[str, Json]) -> bool:
    return isinstance(body.get("error"), str)
