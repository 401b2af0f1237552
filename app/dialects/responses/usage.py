"""The `usage` of a response: Chat's, with the words `input` and `output`."""

from app.core.jsonio import Json
from app.core.usage import Usage
from app.dialects.openai import usage as chat

_CHAT_WORDS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}


def read_usage(reported: Json) -> Usage | None:
    """Usage from a provider's report, its own figure of the cost included; None where there is none, or it cannot be."""
    if not isinstance(reported, dict):
        return None
    return chat.read_usage({**reported, **{word: reported.get(ours) for word, ours in _CHAT_WORDS.items()}})


def write_usage(usage: Usage) -> dict[str, Json]:
    """The `usage` object that says the same."""
    given = usage.input + usage.cache_read + usage.cache_write
    made = usage.output + usage.reasoning
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": given + made,
    }
