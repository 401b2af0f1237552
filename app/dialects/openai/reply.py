"""Whole replies: a provider's read into events, and a client's written."""

from collections.abc import Mapping

from app.core.chat import Image, Reasoning
from app.core.errors import UpstreamInvalid
from app.core.events import Completion, Event
from app.core.jsonio import Json
from app.dialects.dialect import About
from app.dialects.openai.answer import is_legacy, write_call, write_images, write_reason
from app.dialects.openai.chunks import ChunkReader
from app.dialects.openai.citations import write_annotation
from app.dialects.openai.reasoning import write_details
from app.dialects.openai.usage import write_usage


def read_reply(reply: Json) -> list[Event]:
    """The events of a chat completion, from `Started` to `Finished`.

    Raises:
        UpstreamInvalid: it is none.
        UpstreamError: it is an error that came with status 200.
    """
    if not isinstance(reply, dict):
        raise UpstreamInvalid("The provider's reply is no JSON object.")
    return ChunkReader().take_whole(reply)


def write_reply(completion: Completion, about: About) -> dict[str, Json]:
    """A chat completion. Text, reasoning and calls are in fields of their own, so that their order is not told."""
    legacy = is_legacy(about.payload)
    reason = write_reason(completion.reason, refused=bool(completion.refusal), legacy=legacy)
    choice = {"index": 0, "message": _write_message(completion, legacy=legacy), "logprobs": None}
    return {
        "id": completion.id or f"chatcmpl-{about.call_id}",
        "object": "chat.completion",
        "created": completion.created or about.created,
        "model": completion.model or about.model,
        "choices": [{**choice, "finish_reason": reason}],
        "usage": write_usage(completion.usage),
    }


def _write_message(completion: Completion, *, legacy: bool) -> Mapping[str, Json]:
    calls = [write_call(call.id, call.name, call.arguments, call.signature) for call in completion.tool_calls]
    refusal = completion.refusal or None
    message: dict[str, Json] = {
        "role": "assistant",
        "content": completion.text or (None if calls or refusal else ""),
        "refusal": refusal,
    }
    pieces = [part for part in completion.parts if isinstance(part, Reasoning)]
    if completion.reasoning:
        message["reasoning_content"] = completion.reasoning
    if any(piece.signature or piece.redacted for piece in pieces):
        message["reasoning_details"] = write_details(pieces)
    if completion.citations:
        message["annotations"] = [write_annotation(citation) for citation in completion.citations]
    if images := write_images(part for part in completion.parts if isinstance(part, Image)):
        message["images"] = images
    if calls and legacy:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return message
