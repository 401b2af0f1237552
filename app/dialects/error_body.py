"""The body of a provider's error response, before anybody knows its shape: a document, or a page of a proxy before the API."""

import re
from collections.abc import Sequence

from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.redaction import redact, redact_json

_EXCERPT = 300
_MARKUP = re.compile(r"<(script|style|head)\b.*?</\1>|<[^<>]*>", re.DOTALL | re.IGNORECASE)
# The words of a page come in its beginning, and taking its markup out is slow where it is none.
_SEARCHED = 16 * 1024


def read_document(body: bytes, secrets: Sequence[str]) -> Json:
    """The JSON that `body` is, without secrets; None where it is none."""
    try:
        return redact_json(loads(_text(body)), secrets)
    except InvalidJson:
        return None


def words_of(document: Json, body: bytes, secrets: Sequence[str]) -> str | None:
    """What can be told of an error that has no message where one is looked for: the beginning of the document or of the page."""
    if document is None:
        return _excerpt(redact(_text(body), secrets))
    return write_excerpt(document)


def write_excerpt(document: Json) -> str | None:
    """The beginning of a document as text; None where there is nothing in it."""
    return dumps(document).decode()[:_EXCERPT] if document else None


def _text(body: bytes) -> str:
    return body.decode("utf-8-sig", "replace")


def _excerpt(text: str) -> str | None:
    plain = " ".join(_MARKUP.sub(" ", text[:_SEARCHED]).split())
    return plain[:_EXCERPT] or None
