"""What a request says that its canonical form does not: members that a provider of the same dialect gets all the same."""

from collections.abc import Iterator, Mapping

from app.core.jsonio import Json

_CONVERSATIONS = ("messages", "input", "contents")
_PLACES = (
    *_CONVERSATIONS,
    *(
        "system",
        "systemInstruction",
        "system_instruction",
        "tools",
        "tool_choice",
        "response_format",
        "text",
        "reasoning",
    ),
    *("thinking", "output_config", "output_format"),
)
# Read in all dialects that have them. What is missing here costs hits, and no more.
_READ = frozenset(
    [
        "role",
        "content",
        "type",
        "text",
        "parts",
        "name",
        "image_url",
        "url",
        "detail",
        "source",
        "media_type",
        "data",
        "inlineData",
        "inline_data",
        "mimeType",
        "mime_type",
        "images",
        "function",
        "functionDeclarations",
        "function_declarations",
        "description",
        "strict",
        "format",
        "json_schema",
        "effort",
        "summary",
        "budget_tokens",
        "enabled",
        "verbosity",
        "disable_parallel_tool_use",
        "tool_calls",
    ]
)
# Read with all that they hold, or of no matter.
_WHOLE = frozenset(
    [
        "parameters",
        "input_schema",
        "schema",
        "parametersJsonSchema",
        "parameters_json_schema",
        "arguments",
        "args",
        "cache_control",
    ]
)


def unread(payload: Mapping[str, Json], *, last_only: bool = False) -> list[Json]:
    """Paths and values of all members that no reader is sure to know, in the conversation, tools and forms of the answer.

    Members at the top are not among them: those have their place in the canonical form, whatever they are called.

    Args:
        last_only: what was said before the last message does not matter.
    """
    found: list[Json] = []
    for place in _PLACES:
        value = payload.get(place)
        if last_only and place in _CONVERSATIONS and isinstance(value, list):
            value = value[-1:]
        found += ([place, *path] for path in _unread(value))
    return found


def _unread(value: Json) -> Iterator[list[Json]]:
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from ([at, *path] for path in _unread(each))
    elif isinstance(value, dict):
        for name, each in value.items():
            if name in _READ:
                yield from ([name, *path] for path in _unread(each))
            elif name not in _WHOLE and each is not None:
                yield [name, each]
