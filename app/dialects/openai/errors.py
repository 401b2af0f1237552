"""OpenAI's error object: ours written as one, and every provider's variant of it read."""

from collections.abc import Mapping, Sequence

from app.core.errors import RelayError, UpstreamError
from app.core.jsonio import Json, dumps
from app.dialects.error_body import read_document, words_of
from app.dialects.framing import write_data

# What xAI and Google's API of this dialect say of our key, by a 400.
_KEY_REFUSED = ("Incorrect API key provided", "API key not valid")


def write_error(error: RelayError) -> bytes:
    """The body of an error response. A provider's own words and fields are kept."""
    return dumps(_error_object(error))


def write_error_event(error: RelayError) -> bytes:
    """The same as an event of a stream; the stream then ends."""
    return write_data(dumps(_error_object(error)))


def read_error(
    status: int, body: bytes, *, provider: str, retry_after: str | None, secrets: Sequence[str]
) -> UpstreamError:
    """A provider's error response as ours, without secrets.

    Understood are OpenAI's `{"error": {…}}`, xAI's `{"error": "…", "code": "…"}`, `{"detail": …}`, `{"message": …}`, each also in
    a list, and any text. An error that comes with status 200, as OpenRouter's do, has its status in `code`, or else 502.
    """
    document = read_document(body, secrets)
    if isinstance(document, list) and document:
        document = document[0]
    found = _find_error(document)
    if status < 400:
        code = found.get("code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 502
    words = words_of(document, body, secrets)
    message = _text(found.get("message")) or words or f"{provider} answered with status {status}."
    return UpstreamError(
        message,
        status=status,
        body=found or None,
        type=_text(found.get("type")),
        code=_text(found.get("code")),
        param=_text(found.get("param")),
        retry_after=retry_after,
        refuses_key=message.startswith(_KEY_REFUSED),
    )


def _error_object(error: RelayError) -> dict[str, Json]:
    own: dict[str, Json] = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    own.update(error.details)
    if isinstance(error, UpstreamError) and error.body:
        own.update({key: value for key, value in error.body.items() if value is not None})
        own.update(message=error.message, type=error.type)  # these two are strings, whatever the provider made of them
    return {"error": own}


def _find_error(document: Json) -> Mapping[str, Json]:
    if not isinstance(document, dict):
        return {}
    error = document.get("error")
    if isinstance(error, dict):
        return error
    message = error if isinstance(error, str) else document.get("message") or document.get("detail")
    if isinstance(message, list | dict):
        message = dumps(message).decode()
    rest = {key: value for key, value in document.items() if key not in ("error", "message", "detail")}
    return {"message": message, **rest} if isinstance(message, str) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
