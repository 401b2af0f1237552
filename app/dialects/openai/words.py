"""The words of Chat Completions for what all dialects have."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_completion_tokens", "max_tokens"),
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "stop": ("stop",),
    "seed": ("seed",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "reasoning_effort": ("reasoning_effort", "reasoning"),
    "response_format": ("response_format",),
    "tools": ("tools", "functions"),
    "tool_choice": ("tool_choice", "function_call"),
    "parallel_tool_calls": ("parallel_tool_calls",),
    "web_search_options": ("web_search_options",),
    "user": ("user",),
}
"""By the name of the parameter, the paths that say it; see `Dialect.words`."""
