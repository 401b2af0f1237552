"""OpenAI's `usage` object, and what its many compatible providers make of it, read into classes that do not overlap."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from app.core.jsonio import InvalidJson, Json, dumps
from app.core.usage import Usage
from app.dialects.reported import count_in, object_in, read_count, read_tier, read_usd, share

CHARACTERS_A_TOKEN = 4
"""The rule of thumb for English text, used where a provider reports nothing."""

# What OpenAI itself tells, which is neither costs nor searches.
_PLAIN = frozenset(
    {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    }
)
# xAI's `cost_in_usd_ticks`: 10^10 ticks are one dollar.
_TICK = Decimal("1e-10")


def read_usage(reported: Json, tier: Json = None) -> Usage | None:
    """Usage from a provider's report; None where there is none, or its numbers cannot be (negative, nothing at all).

    `prompt_tokens` includes cached ones, and `completion_tokens` reasoning ones, unless the total shows that the
    provider counts reasoning beside it, as xAI does. `tier` is the reply's `service_tier`.
    """
    if not isinstance(reported, dict):
        return None
    prompt, completion = read_count(reported.get("prompt_tokens")), read_count(reported.get("completion_tokens"))
    if prompt is None or completion is None or prompt + completion == 0:
        return None
    given, made = object_in(reported, "prompt_tokens_details"), object_in(reported, "completion_tokens_details")
    is_plain = reported.keys() <= _PLAIN
    said_tier = read_tier(tier) if tier else ""
    if (
        is_plain
        and reported.get("total_tokens") == prompt + completion
        and not (any(given.values()) or any(made.values()))
    ):
        return Usage(input=prompt, output=completion, tier=said_tier)  # most calls; the rest would come to the same
    completion, reasoning = _tell_reasoning(reported, made, prompt, completion)
    if not is_plain:
        prompt += count_in(reported, "citation_tokens")
    cache_read, cache_write, input_audio, input_image, rest = _share_prompt(reported, given, prompt)
    output_audio, output_image, output = 0, 0, completion
    if made.get("audio_tokens") or made.get("image_tokens"):
        parts = count_in(made, "audio_tokens"), count_in(made, "image_tokens")
        output_audio, output_image, output = share(completion, *parts)
    return Usage(
        input=rest,
        cache_read=cache_read,
        cache_write=cache_write,
        output=output,
        reasoning=reasoning,
        cost=None if is_plain else read_cost(reported),
        input_audio=input_audio,
        input_image=input_image,
        output_audio=output_audio,
        output_image=output_image,
        searches=0 if is_plain else _read_searches(reported),
        tier=said_tier,
    )


def write_usage(usage: Usage) -> dict[str, Json]:
    """The `usage` object that says the same."""
    prompt, completion = usage.prompt, usage.completion
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, **told_of_prompt(usage)},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, **told_of_completion(usage)},
    }


def told_of_prompt(usage: Usage) -> dict[str, Json]:
    """Details of the prompt that are told only where there are any: OpenRouter's words where OpenAI has none."""
    details = {
        "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        "audio_tokens": usage.input_audio,
        "image_tokens": usage.input_image,
    }
    return {key: count for key, count in details.items() if count}


def told_of_completion(usage: Usage) -> dict[str, Json]:
    """The same of the reply."""
    details = {"audio_tokens": usage.output_audio, "image_tokens": usage.output_image}
    return {key: count for key, count in details.items() if count}


def read_cost(reported: Mapping[str, Json]) -> Decimal | None:
    """US dollars: OpenRouter's `cost`, Perplexity's `cost.total_cost`, DeepInfra's `estimated_cost`, xAI's ticks."""
    cost = reported.get("cost", reported.get("estimated_cost"))
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    if cost is not None:
        return _with_own_key(reported, read_usd(cost))
    ticks = read_count(reported.get("cost_in_usd_ticks"))
    return None if ticks is None else read_usd(str(ticks * _TICK))


def estimate_tokens(characters: int) -> int:
    """A rough count of the tokens in so many characters of text, rounded up."""
    return -(-characters // CHARACTERS_A_TOKEN)


def count_prompt_characters(payload: Mapping[str, Json]) -> int:
    """Characters of text in a request's messages, tool calls and tools; images and other parts count nothing."""
    total = _count_written(payload.get("tools"))
    for message in payload.get("messages") or ():
        if not isinstance(message, dict):
            continue
        content = message.get("content")
        if isinstance(content, str):
            total += len(content)
        elif isinstance(content, list):
            total += sum(
                len(part["text"]) for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
            )
        total += _count_written(message.get("tool_calls"))
    return total


def _count_written(value: Json) -> int:
    try:
        return len(dumps(value)) if value else 0
    except InvalidJson:
        return 0


def _tell_reasoning(
    reported: Mapping[str, Json], made: Mapping[str, Json], prompt: int, completion: int
) -> tuple[int, int]:
    """The completion without reasoning, and the reasoning, which is a part of it or stands beside it."""
    reasoning = count_in(made, "reasoning_tokens") or count_in(reported, "reasoning_tokens")
    total = read_count(reported.get("total_tokens")) or 0
    # Perplexity's deep research has both citations and reasoning beside even its total.
    if total == prompt + completion + reasoning or "citation_tokens" in reported:
        return completion, reasoning
    # Google's compatible API tells of thoughts in the total alone.
    untold = 0 if reasoning else max(total - prompt - completion, 0)
    # Within; OpenRouter has told of more reasoning than there was in all.
    reasoning = min(reasoning, completion)
    return completion - reasoning, reasoning + untold


def _share_prompt(reported: Mapping[str, Json], given: Mapping[str, Json], prompt: int) -> Sequence[int]:
    """Cached, written, audio, images, and the rest. What of audio and images was cached is told by few."""
    # DeepSeek says `prompt_cache_hit_tokens`, Together `cached_tokens` of the usage itself.
    cached = (
        count_in(given, "cached_tokens")
        or count_in(reported, "prompt_cache_hit_tokens")
        or count_in(reported, "cached_tokens")
    )
    audio, image = count_in(given, "audio_tokens"), count_in(given, "image_tokens")
    written = count_in(given, "cache_write_tokens")
    if not (cached or audio or image or written):
        return 0, 0, 0, 0, prompt
    if cached and (audio or image):
        of_cached = object_in(given, "cached_tokens_details")
        audio -= count_in(of_cached, "audio_tokens")
        image -= count_in(of_cached, "image_tokens")
    return share(prompt, cached, written, audio, image)


def _read_searches(reported: Mapping[str, Json]) -> int:
    """Searches that are charged for, in the words of Perplexity, OpenRouter and xAI."""
    if searches := count_in(reported, "num_search_queries"):
        return searches
    for key in ("server_tool_use_details", "server_tool_use"):
        if searches := count_in(object_in(reported, key), "web_search_requests"):
            return searches
    # xAI tells its tools' calls; before it had tools, it charged for each source that a search brought.
    for key in ("server_side_tool_usage_details", "server_side_tool_usage"):
        tools = object_in(reported, key)
        if searches := sum(count_in(tools, tool) for tool in tools if _is_search(tool)):
            return searches
    # Perplexity's Agent API: {"web_search": {"invocation": 1}}
    tools = object_in(reported, "tool_calls_details")
    searches = sum(count_in(object_in(tools, tool), "invocation") for tool in tools if "search" in tool)
    return searches or count_in(reported, "num_sources_used")


def _is_search(tool: str) -> bool:
    return "web_search" in tool.lower() or "x_search" in tool.lower()


def _with_own_key(reported: Mapping[str, Json], cost: Decimal | None) -> Decimal | None:
    """OpenRouter's own fee, and where it called with a key of the operator's, what that key was charged; None where that is not told."""
    if cost is None or reported.get("is_byok") is not True:
        return cost
    charged = read_usd(object_in(reported, "cost_details").get("upstream_inference_cost"))
    return None if charged is None else cost + charged
