"""Which conversation a call belongs to, as a key under which its model is kept."""

import hashlib
from collections.abc import Iterator

from app.core.call import Call
from app.core.chat import Audio, ChatRequest, Document, Image, Message, Text
from app.pipeline.routing.question import Question

_IN_METADATA = ("session_id", "conversation_id", "conversation")
_IN_BODY = ("session_id", "conversation_id", "conversation")


def session_key(router_id: str, call: Call, question: Question) -> str:
    """A digest of the router, of who calls and for whom, and of the conversation: no two of these ever share one."""
    digest = hashlib.sha256()
    for piece in (router_id, call.principal.token_id, call.principal.username, call.end_user or ""):
        _add(digest, piece)
    said = _said(call)
    _add(digest, "said" if said else "begins")
    for piece in (said,) if said else _beginning(question.request):
        _add(digest, piece)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", piece: str) -> None:
    # With its length before it, so that no two rows of pieces run together to the same.
    data = piece.encode(errors="surrogatepass")
    digest.update(b"%d:" % len(data))
    digest.update(data)


def _said(call: Call) -> str:
    """The conversation's name where the client gave it one: in a header, or in the body."""
    if call.trace.session:
        return call.trace.session
    metadata = call.payload.get("metadata")
    found = _first(metadata, _IN_METADATA) if isinstance(metadata, dict) else ""
    return found or _first(call.payload, _IN_BODY)


def _first(fields: object, names: tuple[str, ...]) -> str:
    for name in names:
        value = fields.get(name) if hasattr(fields, "get") else None
        if isinstance(value, dict):  # as in the Responses API
            value = value.get("id")
        if isinstance(value, str) and value:
            return value
    return ""


def _beginning(request: ChatRequest | None) -> Iterator[str]:
    """What stays the same while a conversation goes on: all up to its first message of a user."""
    for message in request.messages if request else ():
        if message.role == "assistant":
            continue
        yield message.role
        yield from _pieces(message)
        if message.role == "user":
            return


def _pieces(message: Message) -> Iterator[str]:
    for part in message.parts:
        if isinstance(part, Text):
            yield part.text
        elif isinstance(part, Image):
            yield part.url or part.data or ""
        elif isinstance(part, Document):
            yield part.url or part.file_id or part.text or part.data or ""
        elif isinstance(part, Audio):
            yield part.data
