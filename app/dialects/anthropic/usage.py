"""Anthropic's `usage` object, whose `input_tokens` are without cached ones and whose `output_tokens` are with thinking."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from app.core.jsonio import Json
from app.core.usage import NO_USAGE, Usage

# No call costs as much; a report of more is a fault.
_MOST_USD = 1_000_000


def read_usage(reported: Mapping[str, Json]) -> Usage | None:
    """Usage from a provider's report; None where there is none, or its numbers cannot be (negative, nothing at all)."""
    used = _read(reported)
    if used is None:
        return None
    # The totals are without what the context's compaction used (Anthropic's page on compaction, on usage).
    iterations = reported.get("iterations")
    for iteration in iterations if isinstance(iterations, list) else ():
        if isinstance(iteration, dict) and iteration.get("type") == "compaction":
            used = _sum(used, _read(iteration) or NO_USAGE)
    return replace(used, cost=_cost(reported.get("cost"))) if used.total else None


def write_usage(usage: Usage | None) -> dict[str, Json]:
    """The `usage` object that says the same; zeros where nothing is known."""
    known = usage or NO_USAGE
    written: dict[str, Json] = {
        "input_tokens": known.input,
        "cache_creation_input_tokens": known.cache_write,
        "cache_read_input_tokens": known.cache_read,
        "output_tokens": known.output + known.reasoning,
    }
    if known.reasoning:
        written["output_tokens_details"] = {"thinking_tokens": known.reasoning}
    return written


def _read(reported: Mapping[str, Json]) -> Usage | None:
    written, output = _count(reported.get("input_tokens")), _count(reported.get("output_tokens"))
    if written is None or output is None:
        return None
    details = reported.get("output_tokens_details")
    thought = _count(details.get("thinking_tokens")) if isinstance(details, dict) else None
    reasoning = min(thought or 0, output)
    return Usage(
        input=written,
        cache_read=_count(reported.get("cache_read_input_tokens")) or 0,
        cache_write=_count(reported.get("cache_creation_input_tokens")) or 0,
        output=output - reasoning,
        reasoning=reasoning,
    )


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        input=one.input + other.input,
        cache_read=one.cache_read + other.cache_read,
        cache_write=one.cache_write + other.cache_write,
        output=one.output + other.output,
        reasoning=one.reasoning + other.reasoning,
    )


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


def _cost(value: Json) -> Decimal | None:
    """US dollars, which OpenRouter tells."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and 0 <= cost < _MOST_USD else None
