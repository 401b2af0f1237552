"""The words of this API for what all dialects have."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "stop": ("stop_sequences",),
    "reasoning_effort": ("thinking", "output_config.effort"),
    "response_format": ("output_config.format", "output_format"),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "parallel_tool_calls": ("tool_choice.disable_parallel_tool_use",),
    "user": ("metadata.user_id",),
}
"""By the name of the parameter, the paths that say it; see `Dialect.words`."""
