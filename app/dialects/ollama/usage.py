"""Ollama's counters, read into classes of tokens and written from them. It tells neither cached nor thought tokens apart."""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.core.usage import Usage


def read_usage(line: Mapping[str, Json]) -> Usage | None:
    """Usage from the last object of a reply; None where it reports none, or what cannot be.

    A count of 0 is left out, as of a prompt that was in the cache as a whole.
    """
    prompt, output = _count(line.get("prompt_eval_count")), _count(line.get("eval_count"))
    if prompt is None or output is None or prompt + output == 0:
        return None
    return Usage(input=prompt, output=output)


def write_usage(usage: Usage) -> dict[str, Json]:
    """The counters that say the same."""
    return {
        "prompt_eval_count": usage.prompt,
        "eval_count": usage.completion,
    }


def _count(value: Json) -> int | None:
    if value is None:
        return 0
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None
