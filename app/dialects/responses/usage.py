"""The `usage` of a response: Chat's, with the words `input` and `output`."""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.core.usage import NO_USAGE, Usage
from app.dialects.openai import usage as chat
from app.dialects.reported import count_in, object_in, share

_CHAT_WORDS = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}


def read_usage(reported: Json, tier: Json = None) -> Usage | None:
    """Usage from a provider's report, its own figure of the cost included; None where there is none, or it cannot be.

    `tier` is the response's `service_tier`.
    """
    if not isinstance(reported, dict):
        return None
    return chat.read_usage({**reported, **{word: reported.get(ours) for word, ours in _CHAT_WORDS.items()}}, tier)


def usage_of(response: Mapping[str, Json], searches: int, images: int) -> Usage | None:
    """All that a whole response tells: its usage, and what its tools used, which OpenAI counts beside.

    Args:
        searches: those among its items, for providers that count none themselves.
        images: the pictures among them.
    """
    read = read_usage(response.get("usage"), response.get("service_tier"))
    if read is None:
        return None
    tools = object_in(response, "tool_usage")
    counted = count_in(object_in(tools, "web_search"), "num_requests")
    read = read._replace(searches=counted or read.searches or searches, images=images)
    return read.plus(_read_image_tool(object_in(tools, "image_gen")))


def write_usage(usage: Usage) -> dict[str, Json]:
    """The `usage` object that says the same."""
    given, made = usage.prompt, usage.completion
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": 0,
            **chat.told_of_prompt(usage),
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning, **chat.told_of_completion(usage)},
        "total_tokens": given + made,
    }


def _read_image_tool(reported: Mapping[str, Json]) -> Usage:
    """The tokens of the model that made the pictures."""
    if not count_in(reported, "total_tokens"):
        return NO_USAGE
    given, made = object_in(reported, "input_tokens_details"), object_in(reported, "output_tokens_details")
    input_image, text = share(count_in(reported, "input_tokens"), count_in(given, "image_tokens"))
    written, output_image = share(count_in(reported, "output_tokens"), count_in(made, "text_tokens"))
    return Usage(input=text, output=written, input_image=input_image, output_image=output_image)
