"""What OpenAI's own SDK makes of responses and of their streams: the measure of what is read and written."""

import json
from dataclasses import dataclass
from typing import Any

from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent, ResponseUsage
from pydantic import TypeAdapter

from app.core.chat import Image, Text
from app.core.events import Completion
from app.dialects.signatures import UNSIGNED
from tests.dialects.openai.folding import chunks_of

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


@dataclass
class Said:
    """What a reply says, in no API's words."""

    text: str
    refusal: str
    reasoning: list[str]
    seals: list[str]
    calls: list[tuple[str, str, Any]]
    pictures: list[str]
    sources: list[tuple[str, str, int, int]]
    reason: str
    tokens: tuple[int, ...] | None


def events_of(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream, decoded by nobody but `json`."""
    return chunks_of(body)


def accumulate(events: list[dict[str, Any]]) -> Response:
    """The response that the SDK's accumulator makes of a stream."""
    state: Any = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        made = state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))
    response: Response = made[-1].response
    return response


def validated(response: dict[str, Any]) -> Response:
    """A response object of ours by the SDK's types, strictly."""
    return Response.model_validate(response)


def constructed(response: dict[str, Any]) -> Response:
    """A provider's response object as the SDK takes it, which is leniently."""
    made = construct_type(type_=Response, value=response)
    assert isinstance(made, Response)
    return made


def said_by_sdk(response: Response) -> Said:
    """What the SDK reads from a response."""
    said = Said("", "", [], [], [], [], [], "", _tokens(response.usage))
    for item in response.output:
        match item.type:
            case "message":
                for part in item.content:
                    if part.type == "refusal":
                        said.refusal += part.refusal
                        continue
                    said.sources += [
                        _source(note, len(said.text)) for note in part.annotations if note.type == "url_citation"
                    ]
                    said.text += part.text
            case "reasoning":
                text = "\n\n".join([*(part.text for part in item.summary), *(part.text for part in item.content or [])])
                said.reasoning += [text] if text else []
                said.seals += [item.encrypted_content] if item.encrypted_content not in (None, UNSIGNED) else []
            case "function_call":
                said.calls.append((item.call_id, item.name, json.loads(item.arguments)))
            case "image_generation_call":
                said.pictures.append(item.result or "")
    said.reason = _reason(response, said)
    return said


def said_by(completion: Completion) -> Said:
    """The same of a completion of ours."""
    usage = completion.usage
    counted = (usage.input, usage.cache_read, usage.output, usage.reasoning)
    parts = completion.parts
    return Said(
        text="".join(part.text for part in parts if isinstance(part, Text)),
        refusal=completion.refusal,
        reasoning=[part.text for part in _reasonings(completion) if part.text],
        seals=[part.signature.value for part in _reasonings(completion) if part.signature],
        calls=[(call.id, call.name, json.loads(call.arguments)) for call in completion.tool_calls],
        pictures=[part.data or "" for part in parts if isinstance(part, Image)],
        sources=[(note.url, note.title or "", note.start or 0, note.end or 0) for note in completion.citations],
        reason=completion.reason,
        tokens=counted if usage.total else None,
    )


def _source(note: Any, offset: int) -> tuple[str, str, int, int]:
    """A source with its range in the whole answer; an empty range is none."""
    if note.start_index == note.end_index:
        return note.url, note.title, 0, 0
    return note.url, note.title, note.start_index + offset, note.end_index + offset


def _reasonings(completion: Completion) -> list[Any]:
    return [part for part in completion.parts if hasattr(part, "redacted")]


def _reason(response: Response, said: Said) -> str:
    if response.status == "incomplete":
        assert response.incomplete_details
        return {"max_output_tokens": "length"}.get(str(response.incomplete_details.reason), "other")
    if said.calls:
        return "tool_calls"
    return "refusal" if said.refusal else "stop"


def _tokens(usage: ResponseUsage | None) -> tuple[int, ...] | None:
    if usage is None or usage.input_tokens + usage.output_tokens == 0:
        return None
    cached = usage.input_tokens_details.cached_tokens
    written = getattr(usage.input_tokens_details, "cache_write_tokens", None) or 0
    thought = usage.output_tokens_details.reasoning_tokens
    return (usage.input_tokens - cached - written, cached, usage.output_tokens - thought, thought)
