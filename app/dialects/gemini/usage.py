"""`usageMetadata`, read into classes that do not overlap, and written."""

from collections.abc import Iterable, Mapping

from app.core.jsonio import Json
from app.core.usage import Usage
from app.dialects.reported import count_in, read_tier, share


def read_usage(reported: Json) -> Usage | None:
    """Usage from a provider's report; None where there is none, or it says nothing.

    `promptTokenCount` includes what came from a cache; `thoughtsTokenCount` and `toolUsePromptTokenCount` stand beside the others
    (https://ai.google.dev/api/generate-content#UsageMetadata). What is 0 is left out.
    """
    if not isinstance(reported, dict):
        return None
    given, cached = _by_modality(reported, "promptTokensDetails"), _by_modality(reported, "cacheTokensDetails")
    made = _by_modality(reported, "candidatesTokensDetails") or _by_modality(reported, "responseTokensDetails")
    cache_read, input_audio, input_image, rest = share(
        count_in(reported, "promptTokenCount"),
        count_in(reported, "cachedContentTokenCount"),
        given.get("AUDIO", 0) - cached.get("AUDIO", 0),
        given.get("IMAGE", 0) - cached.get("IMAGE", 0),
    )
    output_audio, output_image, output = share(
        count_in(reported, "candidatesTokenCount"), made.get("AUDIO", 0), made.get("IMAGE", 0)
    )
    usage = Usage(
        input=rest + count_in(reported, "toolUsePromptTokenCount"),
        cache_read=cache_read,
        output=output,
        reasoning=count_in(reported, "thoughtsTokenCount"),
        input_audio=input_audio,
        input_image=input_image,
        output_audio=output_audio,
        output_image=output_image,
        tier=read_tier(reported.get("serviceTier")),
    )
    return usage if usage.total else None


def count_searches(groundings: Iterable[Mapping[str, Json]]) -> int:
    """The searches of one reply, by all that its chunks tell of grounding.

    From Gemini 3 on Google charges for each query, empty ones and repetitions aside; for older models it charges once for a
    prompt that was grounded, however many there were (https://ai.google.dev/gemini-api/docs/google-search#pricing). So the
    queries are counted, and a price that is for a prompt is to be taken once.
    """
    lists = [grounding.get("webSearchQueries") for grounding in groundings]
    return len({query for queries in lists if isinstance(queries, list) for query in queries if _is_query(query)})


def write_usage(usage: Usage) -> dict[str, Json]:
    """The `usageMetadata` that says the same; what was written to a cache counts as prompt."""
    written: dict[str, Json] = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.completion - usage.reasoning,
        "totalTokenCount": usage.total,
    }
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    if usage.input_audio or usage.input_image:
        text = usage.input + usage.cache_write + usage.cache_write_1h + usage.cache_read
        written["promptTokensDetails"] = _write_modalities(text, usage.input_audio, usage.input_image)
    if usage.output_audio or usage.output_image:
        written["candidatesTokensDetails"] = _write_modalities(usage.output, usage.output_audio, usage.output_image)
    return written


def _by_modality(reported: Mapping[str, Json], key: str) -> dict[str, int]:
    details = reported.get(key)
    counts: dict[str, int] = {}
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(modality := detail.get("modality"), str):
            counts[modality] = counts.get(modality, 0) + count_in(detail, "tokenCount")
    return counts


def _write_modalities(text: int, audio: int, image: int) -> list[Json]:
    counts = (("TEXT", text), ("AUDIO", audio), ("IMAGE", image))
    return [{"modality": modality, "tokenCount": count} for modality, count in counts if count]


def _is_query(query: Json) -> bool:
    return isinstance(query, str) and bool(query.strip())
