"""A whole reply: a provider's read into events, and one written for a client."""

from collections.abc import Sequence

from app.core.chat import Image, Reasoning, Refusal, Text, ToolCall
from app.core.errors import UpstreamInvalid
from app.core.events import AnswerPart, Citation, Completion, Event
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.dialects.anthropic.answer import Answer
from app.dialects.anthropic.asked import named_model
from app.dialects.anthropic.citations import write_citation
from app.dialects.anthropic.errors import read_error
from app.dialects.anthropic.names import NAME
from app.dialects.anthropic.signed_calls import wrap_call
from app.dialects.anthropic.stops import write_stop
from app.dialects.anthropic.usage import write_usage
from app.dialects.dialect import About
from app.dialects.signatures import UNSIGNED, wrap


def read_reply(reply: Json) -> list[Event]:
    """A provider's whole reply as events, from `Started` to `Finished`.

    Raises:
        UpstreamInvalid: it is no message.
        UpstreamError: it is an error that came with status 200.
    """
    if not isinstance(reply, dict):
        raise UpstreamInvalid("The provider's reply is no JSON object.")
    content = reply.get("content")
    if not isinstance(content, list):
        if reply.get("error"):
            raise read_error(200, _written(reply), "The provider", None, ())
        raise UpstreamInvalid("The provider's reply is no message: it has no 'content'.")
    answer = Answer()
    events = answer.take({"type": "message_start", "message": reply})
    for index, block in enumerate(content):
        events += answer.take({"type": "content_block_start", "index": index, "content_block": block})
        events += answer.take({"type": "content_block_stop", "index": index})
    events += answer.take({"type": "message_delta", "delta": reply})
    return events + answer.finish()


def write_reply(completion: Completion, about: About) -> dict[str, Json]:
    """A whole reply for a client. Pictures have no place in one."""
    content = [block for part in completion.parts for block in _blocks(part)]
    if completion.citations:
        _cite(content, completion.citations)
    refused = any(isinstance(part, Refusal) for part in completion.parts)
    return {
        "id": completion.id or f"msg_{about.call_id}",
        "type": "message",
        "role": "assistant",
        "model": named_model(about, completion.model),
        "content": content,
        "stop_reason": write_stop(completion.reason, completion.stop_sequence, refused=refused),
        "stop_sequence": completion.stop_sequence,
        "usage": write_usage(completion.usage),
    }


def _blocks(part: AnswerPart) -> list[dict[str, Json]]:
    match part:
        case Text() | Refusal():
            return [{"type": "text", "text": part.text}]
        case Reasoning():
            return _thinking(part)
        case ToolCall():
            call = {"type": "tool_use", "id": part.id, "name": part.name, "input": _input(part.arguments)}
            if part.signature is None:
                return [call]
            return [{"type": "redacted_thinking", "data": wrap_call(part.signature)}, call]
        case Image():
            return []


def _thinking(part: Reasoning) -> list[dict[str, Json]]:
    blocks: list[dict[str, Json]] = []
    if part.text or part.signature is not None:
        signature = UNSIGNED if part.signature is None else wrap(part.signature, NAME)
        blocks.append({"type": "thinking", "thinking": part.text, "signature": signature})
    if part.redacted is not None:
        blocks.append({"type": "redacted_thinking", "data": wrap(part.redacted, NAME)})
    return blocks


def _input(arguments: str) -> Json:
    """The object of a call; what a model wrote that is none is put into one, as Anthropic advises its clients."""
    try:
        given = loads(arguments)
    except InvalidJson:
        given = None
    return given if isinstance(given, dict) else {"INVALID_JSON": arguments}


def _cite(content: list[dict[str, Json]], citations: Sequence[Citation]) -> None:
    """Put the citations on the last text."""
    texts = [block for block in content if block["type"] == "text"]
    if not texts:
        texts = [{"type": "text", "text": ""}]
        content += texts
    texts[-1]["citations"] = [write_citation(citation) for citation in citations]


def _written(reply: Json) -> bytes:
    try:
        return dumps(reply)
    except InvalidJson:
        return b""
