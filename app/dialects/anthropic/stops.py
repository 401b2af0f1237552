"""Why a reply ended, in Anthropic's words and in ours."""

from app.core.events import FinishReason
from app.core.jsonio import Json

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}

_STOPS: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
    "pause": "pause_turn",
}


def read_stop(value: Json) -> FinishReason:
    """Our word for a `stop_reason`; one that is not known is an ordinary end."""
    return _REASONS.get(value, "stop") if isinstance(value, str) else "stop"


def write_stop(reason: FinishReason, stop_sequence: str | None, *, refused: bool) -> str:
    """The `stop_reason`. `refused`: the answer holds words of refusal, with which OpenAI's end as others do."""
    if reason == "stop":
        return "refusal" if refused else "end_turn" if stop_sequence is None else "stop_sequence"
    return _STOPS[reason]
