"""Which chats can be answered by an answer that was kept: it has to be able to say all that is asked for, and nobody else has to act."""

from collections.abc import Callable, Mapping, Sequence

from app.core.call import Call
from app.core.chat import ChatRequest, ForeignTool, WebSearch
from app.core.jsonio import Json
from app.dialects.conversation import read_chat
from app.dialects.unread import unread


def _is_said(value: Json) -> bool:
    return bool(value)


def _is_more_than_one(value: Json) -> bool:
    return bool(value != 1)


def _has_sound(value: Json) -> bool:
    kinds = value if isinstance(value, list) else [value]
    return any(not isinstance(kind, str) or kind.lower() not in ("text", "image") for kind in kinds)


def _is_more_than_sealed_thoughts(value: Json) -> bool:
    return value not in ([], ["reasoning.encrypted_content"])


_GEMINI = "generationConfig"
_BEYOND: Mapping[str, Callable[[Json], bool]] = {
    # What the provider keeps, which is another thing each time, and what it does meanwhile.
    "previous_response_id": _is_said,
    "conversation": _is_said,
    "prompt": _is_said,
    "background": _is_said,
    "context": _is_said,
    "container": _is_said,
    "mcp_servers": _is_said,
    # What an answer that is kept has no place for.
    "n": _is_more_than_one,
    "logprobs": _is_said,
    "top_logprobs": _is_said,
    "echo": _is_said,
    "audio": _is_said,
    "modalities": _has_sound,
    "include": _is_more_than_sealed_thoughts,
    f"{_GEMINI}.candidateCount": _is_more_than_one,
    f"{_GEMINI}.responseLogprobs": _is_said,
    f"{_GEMINI}.responseModalities": _has_sound,
}


def read_repeatable(call: Call) -> ChatRequest | None:
    """What `call` asks; None where it is no chat, or none that an answer of another call can be given to."""
    request = read_chat(call)
    return request if request is not None and is_repeatable(request) else None


def read_rest(call: Call, last_only: bool) -> Sequence[Json]:
    """What it says that `read_repeatable` does not tell."""
    return unread(call.payload, last_only=last_only)


def is_repeatable(request: ChatRequest) -> bool:
    """Whether one answer does for all who ask just this.

    It does not where the provider is to search, to run code or to use its own tools: that is to happen now. Nor where the
    conversation is kept by the provider; nor where several answers, probabilities or sound are asked for.
    """
    if any(isinstance(tool, WebSearch | ForeignTool) for tool in request.tools):
        return False
    extras = request.extras or {}
    return not any(name in _BEYOND and _BEYOND[name](value) for name, value in extras.items())
