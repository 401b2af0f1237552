"""OpenAI's `usage` object, and what its many compatible providers make of it, read into classes that do not overlap."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from app.core.jsonio import Json
from app.core.usage import Usage

CHARACTERS_A_TOKEN = 4
"""The rule of thumb for English text, used where a provider reports nothing."""

# xAI's `cost_in_usd_ticks`: 10^10 ticks are one dollar.
_TICK = Decimal("1e-10")
# No call costs as much; a report of more is a fault, and would not fit where costs are kept.
_MOST_USD = 1_000_000


def read_usage(reported: Json) -> Usage | None:
    """Usage from a provider's report; None where there is none, or its numbers cannot be (negative, nothing at all).

    `prompt_tokens` includes cached ones, and `completion_tokens` reasoning ones, unless the total shows that the
    provider counts reasoning beside it, as xAI does.
    """
    if not isinstance(reported, dict):
        return None
    prompt, completion = _count(reported.get("prompt_tokens")), _count(reported.get("completion_tokens"))
    if prompt is None or completion is None or prompt + completion == 0:
        return None
    prompt_details, completion_details = (
        _object(reported, "prompt_tokens_details"),
        _object(reported, "completion_tokens_details"),
    )
    # DeepSeek says `prompt_cache_hit_tokens`.
    cache_read = _count(prompt_details.get("cached_tokens")) or _count(reported.get("prompt_cache_hit_tokens")) or 0
    cache_read = min(cache_read, prompt)
    cache_write = min(_count(prompt_details.get("cache_write_tokens")) or 0, prompt - cache_read)
    reasoning = _count(completion_details.get("reasoning_tokens")) or _count(reported.get("reasoning_tokens")) or 0
    if _count(reported.get("total_tokens")) != prompt + completion + reasoning:
        # Within; OpenRouter has told of more reasoning than there was in all.
        reasoning = min(reasoning, completion)
        completion -= reasoning
    return Usage(
        input=prompt - cache_read - cache_write,
        cache_read=cache_read,
        cache_write=cache_write,
        output=completion,
        reasoning=reasoning,
        cost=_cost(reported),
    )


def write_usage(usage: Usage) -> dict[str, Json]:
    """The `usage` object that says the same."""
    prompt = usage.input + usage.cache_read + usage.cache_write
    completion = usage.output + usage.reasoning
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def estimate_tokens(characters: int) -> int:
    """A rough count of the tokens in so many characters of text, rounded up."""
    return -(-characters // CHARACTERS_A_TOKEN)


def count_prompt_characters(payload: Mapping[str, Json]) -> int:
    """Characters of text in a request's messages; images and other parts count nothing."""
    total = 0
    for message in payload.get("messages") or ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            total += len(content)
        elif isinstance(content, list):
            total += sum(
                len(part["text"]) for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
            )
    return total


def _object(value: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _count(value: Json) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() and 0 <= value < 1 << 53 else None


def _cost(reported: Mapping[str, Json]) -> Decimal | None:
    """US dollars: OpenRouter's `cost`, Perplexity's `cost.total_cost`, DeepInfra's `estimated_cost`, xAI's ticks."""
    cost = reported.get("cost", reported.get("estimated_cost"))
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if isinstance(cost, int | float | str) and not isinstance(cost, bool):
        return _amount(str(cost))
    ticks = _count(reported.get("cost_in_usd_ticks"))
    return None if ticks is None else _amount(str(ticks * _TICK))


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < _MOST_USD else None
