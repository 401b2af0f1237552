"""Anthropic's `usage` object, whose `input_tokens` are without cached ones and whose `output_tokens` are with thinking."""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.core.usage import NO_USAGE, Usage
from app.dialects.reported import count_in, object_in, read_count, read_tier, read_usd, share


def read_usage(reported: Mapping[str, Json]) -> Usage | None:
    """Usage from a provider's report; None where there is none, or its numbers cannot be (negative, nothing at all)."""
    used = _read(reported)
    if used is None:
        return None
    # The totals are without what the context's compaction used (Anthropic's page on compaction, on usage).
    iterations = reported.get("iterations")
    for iteration in iterations if isinstance(iterations, list) else ():
        if isinstance(iteration, dict) and iteration.get("type") == "compaction":
            used = used.plus(_read(iteration) or NO_USAGE)
    if not used.total:
        return None
    return used._replace(
        cost=read_usd(reported.get("cost")),  # OpenRouter tells it
        searches=count_in(object_in(reported, "server_tool_use"), "web_search_requests"),
        tier=_read_tier(reported),
    )


def write_usage(usage: Usage | None) -> dict[str, Json]:
    """The `usage` object that says the same; zeros where nothing is known."""
    known = usage or NO_USAGE
    kept = known.cache_write + known.cache_write_1h
    written: dict[str, Json] = {
        "input_tokens": known.prompt - kept - known.cache_read,
        "cache_creation_input_tokens": kept,
        "cache_read_input_tokens": known.cache_read,
        "output_tokens": known.completion,
    }
    if kept:
        written["cache_creation"] = {
            "ephemeral_5m_input_tokens": known.cache_write,
            "ephemeral_1h_input_tokens": known.cache_write_1h,
        }
    if known.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": known.reasoning}
    if known.searches:
        written["server_tool_use"] = {"web_search_requests": known.searches, "web_fetch_requests": 0}
    return written


def _read(reported: Mapping[str, Json]) -> Usage | None:
    given, made = read_count(reported.get("input_tokens")), read_count(reported.get("output_tokens"))
    if given is None or made is None:
        return None
    details = object_in(reported, "cache_creation")
    for_5m, for_1h = count_in(details, "ephemeral_5m_input_tokens"), count_in(details, "ephemeral_1h_input_tokens")
    kept = read_count(reported.get("cache_creation_input_tokens"))
    for_1h, for_5m = share(for_5m + for_1h if kept is None else kept, for_1h)
    reasoning, output = share(made, count_in(object_in(reported, "output_tokens_details"), "thinking_tokens"))
    return Usage(
        input=given,
        cache_read=count_in(reported, "cache_read_input_tokens"),
        cache_write=for_5m,
        cache_write_1h=for_1h,
        output=output,
        reasoning=reasoning,
    )


def _read_tier(reported: Mapping[str, Json]) -> str:
    # Answers in fast mode have a price of their own, and tell `speed` beside the tier.
    speed = reported.get("speed")
    return read_tier(reported.get("service_tier")) or (read_tier(speed) if speed == "fast" else "")
