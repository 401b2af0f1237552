"""The words of this API for what all dialects have."""

import re
from collections.abc import Mapping
from itertools import product

_CAPITAL = re.compile(r"(?=[A-Z])")


def _either_way(*paths: str) -> tuple[str, ...]:
    """The paths, each of their steps as the API writes it and as it takes it too: `topP`, `top_p`."""
    return tuple(
        ".".join(steps)
        for path in paths
        for steps in product(*(dict.fromkeys((step, _CAPITAL.sub("_", step).lower())) for step in path.split(".")))
    )


WORDS: Mapping[str, tuple[str, ...]] = {
    "max_tokens": _either_way("generationConfig.maxOutputTokens"),
    "temperature": _either_way("generationConfig.temperature"),
    "top_p": _either_way("generationConfig.topP"),
    "top_k": _either_way("generationConfig.topK"),
    "stop": _either_way("generationConfig.stopSequences"),
    "seed": _either_way("generationConfig.seed"),
    "presence_penalty": _either_way("generationConfig.presencePenalty"),
    "frequency_penalty": _either_way("generationConfig.frequencyPenalty"),
    "reasoning_effort": _either_way("generationConfig.thinkingConfig"),
    "response_format": _either_way(
        "generationConfig.responseJsonSchema", "generationConfig.responseSchema", "generationConfig.responseMimeType"
    ),
    "tools": ("tools",),
    "tool_choice": _either_way("toolConfig.functionCallingConfig"),
}
"""By the name of the parameter, the paths that say it; see `Dialect.words`."""
