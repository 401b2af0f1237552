"""The words of this API for what all dialects have."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_output_tokens",),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "reasoning_effort": ("reasoning.effort", "reasoning.max_tokens", "reasoning.enabled"),
    "response_format": ("text.format",),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "user": ("user",),
}
"""By the name of the parameter, the paths that say it; see `Dialect.words`."""
