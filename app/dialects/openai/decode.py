"""A client's chat request as a canonical one."""

from collections.abc import Mapping
from typing import Literal, cast

from app.core.chat import (
    ChatRequest,
    Effort,
    ForeignTool,
    ReasoningWish,
    ResponseFormat,
    Tool,
    ToolChoice,
    WebSearch,
)
from app.core.jsonio import Json
from app.dialects.efforts import EFFORTS
from app.dialects.fields import as_object, wrong
from app.dialects.openai.decode_content import read_cache
from app.dialects.openai.decode_messages import read_messages
from app.dialects.openai.fields import (
    Fields,
    need_object,
    need_text,
    path_of,
    read_flag,
    read_integer,
    read_list,
    read_number,
    read_object,
    read_text,
)

_UNDERSTOOD = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "tools",
        "functions",
        "tool_choice",
        "function_call",
        "parallel_tool_calls",
        "response_format",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "reasoning_effort",
        "reasoning",
        "user",
        "web_search_options",
    ]
)
# What these ask for is what happens without them: nobody need be told that they were not passed on.
_DEFAULTS: Mapping[str, Json] = {
    "n": 1,
    "logprobs": False,
    "store": False,
    "service_tier": "auto",
    "modalities": ["text"],
    "logit_bias": {},
    "metadata": {},
    "usage": {"include": True},
    "include_reasoning": True,
}
_CHOICES: Mapping[str, Literal["auto", "none", "required"]] = {"auto": "auto", "none": "none", "required": "required"}


def read_request(payload: Mapping[str, Json]) -> ChatRequest:
    """A chat request, OpenAI's with what its compatible servers add: `reasoning`, `top_k`, cache marks.

    Raises:
        InvalidRequest: a field has the wrong type or makes no sense; `param` is its path.
    """
    extras = {
        key: value
        for key, value in payload.items()
        if key not in _UNDERSTOOD and value is not None and value != _DEFAULTS.get(key)
    }
    tools = _read_tools(payload)
    parallel = read_flag(payload, "parallel_tool_calls")
    if parallel is None and payload.get("functions") and not payload.get("tools"):
        parallel = False  # an answer has one `function_call`
    choice, allowed = _read_choice(payload, extras)
    return ChatRequest(
        messages=read_messages(payload.get("messages")),
        tools=tuple(tool for tool in tools if allowed is None or isinstance(tool, WebSearch) or tool.name in allowed),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=_read_format(payload, extras),
        max_tokens=_either(read_integer(payload, "max_completion_tokens"), read_integer(payload, "max_tokens")),
        temperature=read_number(payload, "temperature"),
        top_p=read_number(payload, "top_p"),
        top_k=read_integer(payload, "top_k"),
        stop=_read_stop(payload),
        seed=read_integer(payload, "seed"),
        presence_penalty=read_number(payload, "presence_penalty"),
        frequency_penalty=read_number(payload, "frequency_penalty"),
        reasoning=_read_reasoning(payload, extras),
        user=_read_user(payload, extras),
        extras=extras or None,
    )


def _either(first: int | None, second: int | None) -> int | None:
    return second if first is None else first


def _read_tools(payload: Fields) -> list[Tool | WebSearch | ForeignTool]:
    tools: list[Tool | WebSearch | ForeignTool] = []
    for index, value in enumerate(read_list(payload, "tools")):
        where = f"tools[{index}]"
        tool = as_object(value, where)
        kind = read_text(tool, "type", where) or "function"
        if kind == "function":
            function = need_object(tool, "function", where)
            tools.append(_read_function(function, f"{where}.function", read_cache(tool, where)))
        elif kind == "custom":
            name = need_text(need_object(tool, "custom", where), "name", f"{where}.custom")
            tools.append(ForeignTool("openai", name, tool))
        else:
            tools.append(ForeignTool("openai", kind, tool))
    for index, value in enumerate(read_list(payload, "functions")):
        where = f"functions[{index}]"
        tools.append(_read_function(as_object(value, where), where, None))
    if (search := read_object(payload, "web_search_options")) is not None:
        tools.append(_read_search(search))
    return tools


def _read_function(function: Fields, where: str, cache: Json) -> Tool:
    return Tool(
        name=need_text(function, "name", where),
        description=read_text(function, "description", where),
        parameters=read_object(function, "parameters", where),
        strict=read_flag(function, "strict", where),
        cache=cache,
    )


def _read_search(options: Fields) -> WebSearch:
    where = "web_search_options"
    location = read_object(options, "user_location", where)
    if location is not None:
        location = read_object(location, "approximate", f"{where}.user_location") or {}
    return WebSearch(
        "openai", options, context_size=read_text(options, "search_context_size", where), user_location=location
    )


def _read_choice(payload: Fields, extras: dict[str, Json]) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """The choice, and the names of the only functions that may be called, where the client says so."""
    value = payload.get("tool_choice")
    where = "tool_choice"
    if value is None and payload.get("function_call") is not None:
        value, where = payload["function_call"], "function_call"
        if isinstance(value, dict):
            return ToolChoice("tool", need_text(value, "name", where)), None
    if value is None:
        return None, None
    if isinstance(value, str) and value in _CHOICES:
        return ToolChoice(_CHOICES[value]), None
    if not isinstance(value, dict):
        raise wrong(where, "one of 'auto', 'none' and 'required', or an object")
    kind = need_text(value, "type", where)
    if kind == "function":
        return ToolChoice("tool", need_text(need_object(value, kind, where), "name", f"{where}.function")), None
    if kind == "allowed_tools":
        return _read_allowed(need_object(value, kind, where), f"{where}.allowed_tools")
    extras[where] = value
    return None, None


def _read_allowed(allowed: Fields, where: str) -> tuple[ToolChoice, frozenset[str]]:
    mode = need_text(allowed, "mode", where)
    if mode not in ("auto", "required"):
        raise wrong(f"{where}.mode", "'auto' or 'required'")
    names = []
    for index, value in enumerate(read_list(allowed, "tools", where)):
        path = f"{where}.tools[{index}]"
        tool = as_object(value, path)
        kind = read_text(tool, "type", path) or "function"
        names.append(need_text(need_object(tool, kind, path), "name", f"{path}.{kind}"))
    return ToolChoice("auto" if mode == "auto" else "required"), frozenset(names)


def _read_format(payload: Fields, extras: dict[str, Json]) -> ResponseFormat | None:
    where = "response_format"
    value = read_object(payload, where)
    if value is None:
        return None
    kind = need_text(value, "type", where)
    if kind == "text":
        return ResponseFormat("text")
    if kind == "json_object":
        # Together's way to give a schema.
        schema = read_object(value, "schema", where)
        return ResponseFormat("json") if schema is None else ResponseFormat("schema", schema=schema)
    if kind == "json_schema":
        described = need_object(value, kind, where)
        path = path_of(where, kind)
        return ResponseFormat(
            "schema",
            schema=read_object(described, "schema", path) or {},
            name=read_text(described, "name", path),
            description=read_text(described, "description", path),
            strict=read_flag(described, "strict", path),
        )
    extras[where] = value
    return None


def _read_stop(payload: Fields) -> tuple[str, ...]:
    value = payload.get("stop")
    if isinstance(value, str):
        return (value,)
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise wrong("stop", "a string or a list of strings")


def _read_reasoning(payload: Fields, extras: dict[str, Json]) -> ReasoningWish | None:
    """OpenAI's `reasoning_effort`, and OpenRouter's object, which says more and so goes first."""
    effort = _read_effort(payload, "reasoning_effort", "")
    wish = read_object(payload, "reasoning")
    if wish is None:
        return None if effort is None else ReasoningWish(effort=effort)
    where = "reasoning"
    effort = _read_effort(wish, "effort", where) or effort
    budget = read_integer(wish, "max_tokens", where)
    enabled = read_flag(wish, "enabled", where)
    summary = read_text(wish, "summary", where)
    if read_flag(wish, "exclude", where):
        extras["reasoning.exclude"] = True
    if enabled is False:
        return ReasoningWish(effort="none")
    if enabled and effort is None and budget is None:
        effort = "medium"  # what OpenRouter makes of it
    if effort is None and budget is None and summary is None:
        return None
    return ReasoningWish(effort=effort, budget=budget, summary=summary)


def _read_effort(fields: Fields, key: str, where: str) -> Effort | None:
    effort = read_text(fields, key, where)
    if effort is None or effort in EFFORTS:
        return cast(Effort | None, effort)
    raise wrong(path_of(where, key), f"one of {', '.join(sorted(EFFORTS))}")


def _read_user(payload: Fields, extras: dict[str, Json]) -> str | None:
    """`user`, or else what has taken its place."""
    user = read_text(payload, "user")
    if user is None:
        user = read_text(payload, "safety_identifier")
        extras.pop("safety_identifier", None)
    return user
