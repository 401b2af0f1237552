"""`usageMetadata`, read into classes that do not overlap, and written."""

from app.core.jsonio import Json
from app.core.usage import Usage


def read_usage(reported: Json) -> Usage | None:
    """Usage from a provider's report; None where there is none, or it says nothing.

    `promptTokenCount` includes what came from a cache; `thoughtsTokenCount` and `toolUsePromptTokenCount` stand beside the others
    (https://ai.google.dev/api/generate-content#UsageMetadata). What is 0 is left out.
    """
    if not isinstance(reported, dict):
        return None
    prompt = _count(reported, "promptTokenCount")
    cached = min(_count(reported, "cachedContentTokenCount"), prompt)
    usage = Usage(
        input=prompt - cached + _count(reported, "toolUsePromptTokenCount"),
        cache_read=cached,
        output=_count(reported, "candidatesTokenCount"),
        reasoning=_count(reported, "thoughtsTokenCount"),
    )
    return usage if usage.total else None


def write_usage(usage: Usage) -> dict[str, Json]:
    """The `usageMetadata` that says the same; what was written to a cache counts as prompt."""
    written = {
        "promptTokenCount": usage.input + usage.cache_read + usage.cache_write,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.total,
    }
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    return written


def _count(reported: dict[str, Json], key: str) -> int:
    value = reported.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() and 0 <= value < 1 << 53 else 0
