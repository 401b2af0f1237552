"""Whole replies: a provider's read as events, and a client's written."""

from app.core.chat import Image, Reasoning, Refusal, Text, ToolCall
from app.core.errors import UpstreamError, UpstreamInvalid
from app.core.events import Completion, Event, Finished
from app.core.jsonio import Json
from app.dialects.dialect import About
from app.dialects.ollama.calls import write_call
from app.dialects.ollama.errors import read_failure
from app.dialects.ollama.extension import for_client, write_citations, write_thinking
from app.dialects.ollama.reading import ObjectReader, find_said
from app.dialects.ollama.times import took_ns
from app.dialects.ollama.writing import Enclose, Envelope, enclose_chat, enclose_generate, write_end, write_image


def read_reply(document: Json) -> list[Event]:
    """The events of a whole reply, of either endpoint.

    Raises:
        UpstreamInvalid: it is none.
        UpstreamError: it is an error that came with status 200.
    """
    if not isinstance(document, dict):
        raise UpstreamInvalid("The provider's reply is no JSON object.")
    if document.get("error"):
        failure = read_failure(document)
        raise UpstreamError(failure.message, status=502, body=failure.body)
    if find_said(document) is None:
        raise UpstreamInvalid("The provider's reply has neither a 'message' nor a 'response'.")
    return ObjectReader().read({**document, "done": True})


def write_reply(completion: Completion, about: About) -> dict[str, Json]:
    """A whole reply of /api/chat. All of its time counts as the answer's: nobody here was told when the first word came."""
    return _write(completion, about, enclose_chat)


def write_generate_reply(completion: Completion, about: About) -> dict[str, Json]:
    """The same of /api/generate."""
    return _write(completion, about, enclose_generate)


def _write(completion: Completion, about: About, enclose: Enclose) -> dict[str, Json]:
    content: list[str] = []
    images: list[Json] = []
    for part in completion.parts:
        match part:
            case Text() | Refusal():
                content.append(part.text)
            case Image():
                shown = write_image(part)
                content.append(shown.get("content", ""))
                images += shown.get("images", [])
            case Reasoning() | ToolCall():
                pass  # these have fields of their own
    thinking = [part for part in completion.parts if isinstance(part, Reasoning)]
    calls = [write_call(call, index) for index, call in enumerate(completion.tool_calls)]
    said: dict[str, Json] = {"content": "".join(content), **write_thinking(thinking, for_client)}
    if images:
        said["images"] = images
    if calls:
        said["tool_calls"] = calls
    envelope = Envelope(about, enclose)
    envelope.name(completion.model, completion.created)
    end = write_end(Finished(completion.reason, completion.usage), total_ns=took_ns(about))
    return envelope.write(said, {**end, **write_citations(completion.citations)})
