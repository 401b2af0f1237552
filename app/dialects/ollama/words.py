"""The words of this API for what all dialects have."""

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("options.num_predict",),
    "temperature": ("options.temperature",),
    "top_p": ("options.top_p",),
    "top_k": ("options.top_k",),
    "stop": ("options.stop",),
    "seed": ("options.seed",),
    "presence_penalty": ("options.presence_penalty",),
    "frequency_penalty": ("options.frequency_penalty",),
    "reasoning_effort": ("think",),
    "response_format": ("format",),
    "tools": ("tools",),
}
"""By the name of the parameter, the paths that say it; see `Dialect.words`."""
