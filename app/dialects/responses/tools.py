"""The tools of a request, and which of them the model is to use."""

from collections.abc import Iterable, Mapping, Sequence

from app.core.chat import ForeignTool, Tool, ToolChoice, WebSearch
from app.core.jsonio import Json
from app.dialects.fields import as_object, as_text, wrong
from app.dialects.responses.fields import find_flag, find_object, find_text, read_list
from app.dialects.responses.sealed import NAME

AnyTool = Tool | WebSearch | ForeignTool


def read_tools(value: Json) -> tuple[AnyTool, ...]:
    """The tools that a client offers."""
    return tuple(
        _read_tool(as_object(tool, f"tools[{index}]"), f"tools[{index}]")
        for index, tool in enumerate(read_list(value, "tools"))
    )


def write_tools(tools: Sequence[AnyTool]) -> tuple[list[Json], list[str]]:
    """The tools for a provider, and the names of what could not be said."""
    written: list[Json] = []
    unsupported: list[str] = []
    for tool in tools:
        match tool:
            case Tool():
                written.append(_write_function(tool))
            case WebSearch():
                written.append(_write_search(tool))
                unsupported += _unsaid(tool)
            case ForeignTool() if tool.dialect == NAME or _is_chats(tool):
                written.append(tool.value)
            case ForeignTool():
                unsupported.append(f"tools.{tool.name}")
    return written, unsupported


def read_tool_choice(value: Json, tools: tuple[AnyTool, ...]) -> tuple[ToolChoice | None, tuple[AnyTool, ...]]:
    """The choice, and the tools that it leaves: where it allows some only, the model need not know of the others.

    A choice among built-in tools is no canonical one: None.
    """
    match value:
        case None:
            return None, tools
        case "auto" | "none" | "required":
            return ToolChoice(value), tools
        case {"type": "function"}:
            return ToolChoice("tool", as_text(value.get("name"), "tool_choice.name")), tools
        case {"type": "allowed_tools"}:
            mode = value.get("mode")
            if mode not in ("auto", "required"):
                raise wrong("tool_choice.mode", "'auto' or 'required'")
            allowed = [_identity(tool) for tool in read_list(value.get("tools"), "tool_choice.tools")]
            return ToolChoice(mode), tuple(tool for tool in tools if _is_among(tool, allowed))
        case {"type": str()}:
            return None, tools
    raise wrong("tool_choice", "'auto', 'none', 'required' or an object with a 'type'")


def write_tool_choice(choice: ToolChoice, tools: Sequence[Json]) -> Json:
    """The choice for a provider; None where it is of none of `tools`, as they are written.

    Other APIs choose a built-in search by its name, as they do a function.
    """
    if choice.mode != "tool":
        return choice.mode
    kinds = {tool.get("name", tool["type"]): tool["type"] for tool in tools}
    kind = kinds.get(choice.name)
    return {"type": kind} if kind == choice.name else {"type": kind, "name": choice.name} if kind else None


def _read_tool(tool: Mapping[str, Json], param: str) -> AnyTool:
    kind = as_text(tool.get("type"), f"{param}.type")
    if kind == "function":
        return Tool(
            name=as_text(tool.get("name"), f"{param}.name"),
            description=find_text(tool, "description", f"{param}."),
            parameters=find_object(tool, "parameters", f"{param}."),
            strict=find_flag(tool, "strict", f"{param}."),
        )
    if kind.startswith("web_search"):
        return _read_search(tool, param)
    name = tool.get("name") if kind == "custom" else None
    return ForeignTool(NAME, name if isinstance(name, str) else kind, tool)


def _read_search(tool: Mapping[str, Json], param: str) -> WebSearch:
    filters = find_object(tool, "filters", f"{param}.") or {}
    return WebSearch(
        dialect=NAME,
        value=tool,
        context_size=find_text(tool, "search_context_size", f"{param}."),
        allowed_domains=_domains(filters, "allowed_domains", param),
        # xAI's word.
        blocked_domains=_domains(filters, "excluded_domains", param),
        user_location=find_object(tool, "user_location", f"{param}."),
    )


def _domains(filters: Mapping[str, Json], key: str, param: str) -> tuple[str, ...]:
    path = f"{param}.filters.{key}"
    return tuple(as_text(domain, f"{path}[{index}]") for index, domain in enumerate(read_list(filters.get(key), path)))


def _identity(tool: Json) -> tuple[Json, Json]:
    return (tool.get("type"), tool.get("name")) if isinstance(tool, dict) else (None, None)


def _is_among(tool: AnyTool, allowed: Iterable[tuple[Json, Json]]) -> bool:
    own = ("function", tool.name) if isinstance(tool, Tool) else _identity(tool.value)
    return own in allowed


def _write_function(tool: Tool) -> dict[str, Json]:
    # Unlike in Chat, a function is strict here unless it says that it is not, and optional parameters become required ones.
    written: dict[str, Json] = {"type": "function", "name": tool.name, "strict": tool.strict is True}
    if tool.description is not None:
        written["description"] = tool.description
    written["parameters"] = tool.parameters if tool.parameters is not None else {"type": "object", "properties": {}}
    return written


def _write_search(tool: WebSearch) -> Json:
    if tool.dialect == NAME:
        return tool.value
    written: dict[str, Json] = {"type": "web_search"}
    if tool.context_size is not None:
        written["search_context_size"] = tool.context_size
    if tool.allowed_domains:
        written["filters"] = {"allowed_domains": list(tool.allowed_domains)}
    if tool.user_location is not None:
        # Chat has the place one object deeper.
        place = tool.user_location.get("approximate")
        written["user_location"] = {"type": "approximate", **(place if isinstance(place, dict) else tool.user_location)}
    return written


def _is_chats(tool: ForeignTool) -> bool:
    """A built-in tool in a chat call: Chat Completions itself has none, so that one of this API is meant."""
    return tool.dialect == "openai" and isinstance(tool.value, dict) and tool.value.get("type") != "custom"


def _unsaid(tool: WebSearch) -> list[str]:
    if tool.dialect == NAME:
        return []
    asked = {"blocked_domains": tool.blocked_domains, "max_uses": tool.max_uses}
    return [name for name, value in asked.items() if value]
