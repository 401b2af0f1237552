"""Tools and the choice among them."""

from collections.abc import Mapping, Sequence

from app.core.chat import ForeignTool, Tool, ToolChoice, WebSearch
from app.core.jsonio import Json
from app.dialects.anthropic.names import NAME
from app.dialects.fields import as_flag, as_integer, as_list, as_object, as_text, as_texts, optional, wrong

_WEB_SEARCH = "web_search_"
# The first version of the tool, which all models know that know any.
_WEB_SEARCH_TYPE = "web_search_20250305"
_PLACE = ("city", "region", "country", "timezone")
_TOOL_FIELDS = frozenset(("type", "name", "description", "input_schema", "strict", "cache_control"))


def read_tools(value: Json, extras: dict[str, Json]) -> tuple[Tool | WebSearch | ForeignTool, ...]:
    """The tools of a request; fields of theirs that no other dialect has go to `extras`.

    Raises:
        InvalidRequest: with the field as `param`.
    """
    return tuple(
        _read_tool(as_object(tool, f"tools[{index}]"), f"tools[{index}]", extras)
        for index, tool in enumerate(optional(as_list, value, "tools") or ())
    )


def write_tools(
    tools: Sequence[Tool | WebSearch | ForeignTool], unsupported: dict[str, None]
) -> list[Mapping[str, Json]]:
    """The tools as Anthropic has them."""
    written: list[Mapping[str, Json]] = []
    for tool in tools:
        match tool:
            case Tool():
                written.append(_write_tool(tool))
            case WebSearch():
                written.append(_write_web_search(tool, unsupported))
            case ForeignTool() if tool.dialect == NAME:
                written.append(tool.value)
            case _:
                unsupported[f"tools.{tool.name}"] = None
    return written


def read_tool_choice(value: Json) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several tools may be called at once; None where the client did not say.

    Raises:
        InvalidRequest: with the field as `param`.
    """
    if value is None:
        return None, None
    choice = as_object(value, "tool_choice")
    disabled = optional(as_flag, choice.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use")
    parallel = None if disabled is None else not disabled
    match choice.get("type"):
        case "auto":
            return ToolChoice("auto"), parallel
        case "any":
            return ToolChoice("required"), parallel
        case "none":
            return ToolChoice("none"), parallel
        case "tool":
            return ToolChoice("tool", as_text(choice.get("name"), "tool_choice.name")), parallel
        case _:
            raise wrong("tool_choice.type", "one of auto, any, tool, none")


def write_tool_choice(
    choice: ToolChoice | None, parallel: bool | None, *, thinks: bool, unsupported: dict[str, None]
) -> Mapping[str, Json] | None:
    """The `tool_choice` of a request that has tools; None where nothing has to be said."""
    written: dict[str, Json] = {"type": "auto"}
    if choice is not None:
        match choice.mode:
            case "none":
                return {"type": "none"}
            case "required" | "tool" if thinks:
                # "Thinking may not be enabled when tool_choice forces tool use."
                unsupported["tool_choice"] = None
            case "required":
                written = {"type": "any"}
            case "tool":
                written = {"type": "tool", "name": choice.name}
    if parallel is None:
        return written if choice is not None else None
    return {**written, "disable_parallel_tool_use": not parallel}


def _read_tool(tool: Mapping[str, Json], path: str, extras: dict[str, Json]) -> Tool | WebSearch | ForeignTool:
    kind = tool.get("type")
    if kind is not None and as_text(kind, f"{path}.type") != "custom":
        if kind.startswith(_WEB_SEARCH):
            return _read_web_search(tool, path)
        name = tool.get("name")
        return ForeignTool(NAME, name if isinstance(name, str) else kind, tool)
    for key, value in tool.items():
        if key not in _TOOL_FIELDS and value is not None:
            extras[f"tools.{key}"] = value
    return Tool(
        name=as_text(tool.get("name"), f"{path}.name"),
        description=optional(as_text, tool.get("description"), f"{path}.description"),
        parameters=optional(as_object, tool.get("input_schema"), f"{path}.input_schema"),
        strict=optional(as_flag, tool.get("strict"), f"{path}.strict"),
        cache=tool.get("cache_control"),
    )


def _read_web_search(tool: Mapping[str, Json], path: str) -> WebSearch:
    return WebSearch(
        NAME,
        tool,
        allowed_domains=optional(as_texts, tool.get("allowed_domains"), f"{path}.allowed_domains") or (),
        blocked_domains=optional(as_texts, tool.get("blocked_domains"), f"{path}.blocked_domains") or (),
        max_uses=optional(as_integer, tool.get("max_uses"), f"{path}.max_uses"),
        user_location=optional(as_object, tool.get("user_location"), f"{path}.user_location"),
    )


def _write_tool(tool: Tool) -> Mapping[str, Json]:
    # The schema must say that it is of an object, and OpenAI's clients may leave it out.
    written: dict[str, Json] = {"name": tool.name, "input_schema": {"type": "object", **(tool.parameters or {})}}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
    if tool.cache is not None:
        written["cache_control"] = tool.cache
    return written


def _write_web_search(tool: WebSearch, unsupported: dict[str, None]) -> Mapping[str, Json]:
    if tool.dialect == NAME and isinstance(tool.value, dict):
        return tool.value
    written: dict[str, Json] = {"type": _WEB_SEARCH_TYPE, "name": "web_search"}
    if tool.allowed_domains:
        written["allowed_domains"] = list(tool.allowed_domains)
    if tool.blocked_domains:
        if tool.allowed_domains:  # one of the two only
            unsupported["blocked_domains"] = None
        else:
            written["blocked_domains"] = list(tool.blocked_domains)
    if tool.max_uses is not None:
        written["max_uses"] = tool.max_uses
    if tool.context_size is not None:
        unsupported["search_context_size"] = None
    if place := _place(tool.user_location or {}):
        written["user_location"] = {"type": "approximate", **place}
    return written


def _place(location: Mapping[str, Json]) -> dict[str, Json]:
    """The fields of a location; OpenAI's chat has them one level deeper than its responses."""
    inner = location.get("approximate")
    place = inner if isinstance(inner, dict) else location
    return {key: place[key] for key in _PLACE if isinstance(place.get(key), str)}
