"""What a request says beside its messages: `options`, `think`, `format` and `tools`, both ways."""

from collections.abc import Mapping
from typing import Any

from app.core.chat import ChatRequest, Effort, ForeignTool, ReasoningWish, ResponseFormat, Tool, WebSearch
from app.core.jsonio import Json
from app.dialects.efforts import effort_of
from app.dialects.fields import wrong
from app.dialects.ollama.extension import NAME
from app.dialects.ollama.fields import read_integer, read_list, read_number, read_object, read_text, read_texts

PREFIX = "options."
"""Marks the extras that stood in `options`."""

_INTEGERS = {"num_predict": "max_tokens", "top_k": "top_k", "seed": "seed"}
_NUMBERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_LEVELS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "max": "max"}
# gpt-oss takes words, and cannot do without thinking.
_GPT_OSS_LEVELS: dict[Effort, str] = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_NO_PARAMETERS = {"type": "object", "properties": {}}


def read_options(payload: Mapping[str, Json]) -> tuple[dict[str, Any], dict[str, Json]]:
    """The fields of a `ChatRequest` that `options` tells of, and the extras in it."""
    options = read_object(payload, "options", "options")
    fields: dict[str, Any] = {"stop": read_texts(options, "stop", f"{PREFIX}stop")}
    fields |= {field: read_integer(options, key, PREFIX + key) for key, field in _INTEGERS.items()}
    fields |= {field: read_number(options, key, PREFIX + key) for key, field in _NUMBERS.items()}
    if fields["max_tokens"] is not None and fields["max_tokens"] <= 0:
        fields["max_tokens"] = None  # -1 is no limit, -2 as much as fits, and 0 is none either
    known = {"stop", *_INTEGERS, *_NUMBERS}
    extras = {PREFIX + key: value for key, value in options.items() if key not in known and value is not None}
    return fields, extras


def write_options(request: ChatRequest) -> dict[str, Json]:
    """The `options` of a request."""
    fields = {**_INTEGERS, **_NUMBERS}
    options: dict[str, Json] = {key: getattr(request, field) for key, field in fields.items()}
    options["stop"] = list(request.stop) or None
    extras = request.extras or {}
    options |= {key.removeprefix(PREFIX): value for key, value in extras.items() if key.startswith(PREFIX)}
    return {key: value for key, value in options.items() if value is not None}


def read_think(payload: Mapping[str, Json]) -> ReasoningWish | None:
    """How much to think. `true` leaves it to the model: elsewhere that is a medium effort."""
    think = payload.get("think")
    if think is None:
        return None
    if isinstance(think, bool):
        return ReasoningWish("medium" if think else "none")
    if not isinstance(think, str) or think not in _LEVELS:
        raise wrong("think", "true, false, 'low', 'medium', 'high' or 'max'")
    return ReasoningWish(_LEVELS[think])


def write_think(wish: ReasoningWish | None, model: str) -> bool | str | None:
    """The same for `model`; None where the client said nothing of it."""
    if wish is None:
        return None
    effort = wish.effort
    if effort is None:
        if wish.budget is None:
            return None
        effort = effort_of(wish.budget)
    return _GPT_OSS_LEVELS[effort] if "gpt-oss" in model.lower() else effort != "none"


def read_format(payload: Mapping[str, Json]) -> ResponseFormat | None:
    """What form the answer is to have."""
    wanted = payload.get("format")
    if wanted is None or wanted == "":
        return None
    if wanted == "json":
        return ResponseFormat("json")
    if not isinstance(wanted, dict):
        raise wrong("format", "'json' or a JSON schema")
    return ResponseFormat("schema", schema=wanted)


def write_format(wanted: ResponseFormat | None) -> Json:
    """The same; None where any form will do."""
    if wanted is None or wanted.kind == "text":
        return None
    return "json" if wanted.kind == "json" or wanted.schema is None else dict(wanted.schema)


def read_tools(payload: Mapping[str, Json]) -> "tuple[Tool | ForeignTool, ...]":
    """The tools that the client offers. Of another `type` than a function there is none yet: it is kept as it came."""
    return tuple(
        _read_tool(value, f"tools[{index}]") for index, value in enumerate(read_list(payload, "tools", "tools"))
    )


def write_tools(request: ChatRequest, unsupported: list[str]) -> list[Json]:
    """The same for a provider; names of what could not be said are added to `unsupported`."""
    if request.tool_choice is not None and request.tool_choice.mode == "none":
        return []
    return [written for tool in request.tools if (written := _write_tool(tool, unsupported)) is not None]


def _read_tool(value: Json, path: str) -> Tool | ForeignTool:
    if not isinstance(value, dict):
        raise wrong(path, "an object with a 'function'")
    kind = read_text(value, "type", f"{path}.type")
    if kind not in ("", "function"):
        return ForeignTool(NAME, kind, value)
    function = read_object(value, "function", f"{path}.function")
    name = read_text(function, "name", f"{path}.function.name")
    if not name:
        raise wrong(f"{path}.function.name", "a function's name")
    description = read_text(function, "description", f"{path}.function.description")
    parameters = read_object(function, "parameters", f"{path}.function.parameters")
    return Tool(name, description or None, parameters or None)


def _write_tool(tool: Tool | WebSearch | ForeignTool, unsupported: list[str]) -> Json:
    match tool:
        case ForeignTool(dialect=dialect, value=value) if dialect == NAME:
            return value
        case ForeignTool():
            unsupported.append(f"tools.{tool.name}")
            return None
        case WebSearch():
            unsupported.append("tools.web_search")
            return None
    if tool.cache is not None:
        unsupported.append("cache_control")
    if tool.strict:
        unsupported.append("strict")
    function: dict[str, Json] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = _NO_PARAMETERS if tool.parameters is None else dict(tool.parameters)
    return {"type": "function", "function": function}
