"""The pieces of a reply as a client of this dialect gets them, whole or in deltas."""

from collections.abc import Iterable

from app.core.chat import Image, Signature
from app.core.events import FinishReason
from app.core.jsonio import Json
from app.dialects.openai.call_signature import write_call_signature
from app.dialects.openai.media import write_image

_REASONS: dict[FinishReason, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "pause": "stop",
}


def write_reason(reason: FinishReason, *, refused: bool, legacy: bool) -> str:
    """`finish_reason`. A refusal with words is an ordinary stop, its words being `refusal`; one without is a filter's."""
    if reason == "refusal":
        return "stop" if refused else "content_filter"
    return "function_call" if legacy and reason == "tool_calls" else _REASONS[reason]


def write_call(call_id: str, name: str, arguments: str, signature: Signature | None) -> dict[str, Json]:
    """A tool call, with its proof where there is one."""
    call: dict[str, Json] = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return call if signature is None else call | write_call_signature(signature)


def write_images(images: Iterable[Image], index: int = 0) -> list[Json]:
    """Pictures that the model made, as OpenRouter gives them, numbered from `index`.

    OpenAI's accumulator of streams refuses lists that come in pieces whose items have no number.
    """
    shown = [part for image in images if (part := write_image(image)) is not None]
    return [{**part, "index": number} for number, part in enumerate(shown, index)]


def is_legacy(payload: Json) -> bool:
    """Whether the client offered `functions`, and so expects a `function_call`: the API as it was before `tools`."""
    return isinstance(payload, dict) and bool(payload.get("functions")) and not payload.get("tools")
