"""The tools of a request, and which of them are to be used."""

from typing import Literal

from app.core.chat import ChatRequest, ForeignTool, Tool, ToolChoice, WebSearch
from app.core.jsonio import Json
from app.dialects.fields import as_text, wrong
from app.dialects.gemini.fields import read_fields, read_list, read_texts
from app.dialects.gemini.models import Traits
from app.dialects.gemini.schema import read_schema, write_schema
from app.dialects.gemini.signatures import NAME

AnyTool = Tool | WebSearch | ForeignTool

_SEARCHES = ("googleSearch", "googleSearchRetrieval")
_CALLING = "toolConfig.functionCallingConfig"
_MODES: dict[str, Literal["auto", "none", "required"] | None] = {
    "MODE_UNSPECIFIED": None,
    "AUTO": "auto",
    "VALIDATED": "auto",
    "ANY": "required",
    "NONE": "none",
}


def read_tools(value: Json, extras: dict[str, Json]) -> tuple[AnyTool, ...]:
    """The tools of a request; what is said of one that others do not know goes to `extras`.

    Raises:
        InvalidRequest: with the field as `param`, as all that reads here.
    """
    tools: list[AnyTool] = []
    for index, item in enumerate(read_list(value, "tools")):
        path = f"tools[{index}]"
        for key, said in read_fields(item, path).items():
            if key == "functionDeclarations":
                declared = read_list(said, f"{path}.{key}")
                tools += [_read_function(each, f"{path}.{key}[{i}]", extras) for i, each in enumerate(declared)]
            elif key in _SEARCHES:
                fields = read_fields(said, f"{path}.{key}")
                blocked = read_texts(fields.get("excludeDomains", []), f"{path}.{key}.excludeDomains")
                tools.append(WebSearch(NAME, {key: said}, blocked_domains=blocked))
            else:
                tools.append(ForeignTool(NAME, key, {key: said}))
    return tuple(tools)


def read_tool_config(value: Json, extras: dict[str, Json]) -> ToolChoice | None:
    """Which tools are to be used; what others cannot say goes to `extras`."""
    fields = read_fields(value, "toolConfig")
    calling = read_fields(fields.pop("functionCallingConfig", {}), _CALLING)
    extras.update({f"toolConfig.{key}": field for key, field in fields.items()})
    word = as_text(calling.pop("mode", "MODE_UNSPECIFIED"), f"{_CALLING}.mode").upper()
    names = read_texts(calling.pop("allowedFunctionNames", []), f"{_CALLING}.allowedFunctionNames")
    extras.update({f"{_CALLING}.{key}": field for key, field in calling.items()})
    if word not in _MODES:
        raise wrong(f"{_CALLING}.mode", "one of AUTO, ANY, NONE and VALIDATED")
    if word == "ANY" and len(names) == 1:
        return ToolChoice("tool", names[0])
    if names:
        extras[f"{_CALLING}.allowedFunctionNames"] = list(names)
    if word == "VALIDATED":
        extras[f"{_CALLING}.mode"] = word
    mode = _MODES[word]
    return None if mode is None else ToolChoice(mode)


def write_tools(request: ChatRequest, traits: Traits, unsupported: list[str]) -> dict[str, Json]:
    """`tools` and `toolConfig`, as far as there are any."""
    functions: list[Json] = []
    others: list[Json] = []
    for tool in request.tools:
        match tool:
            case Tool():
                functions.append(_write_function(tool))
                if tool.cache is not None:
                    unsupported.append("cache_control")
            case WebSearch(dialect, value) if dialect == NAME:
                others.append(value)
            case WebSearch():
                others.append({"googleSearch": {}})
                unsupported += _unsaid(tool)
            case ForeignTool(dialect, _, value) if dialect == NAME:
                others.append(value)
            case ForeignTool():
                unsupported.append(f"tools.{tool.name}")
    written: dict[str, Json] = {}
    if functions or others:
        written["tools"] = [*([{"functionDeclarations": functions}] if functions else []), *others]
    mixed = bool(functions and others and traits.signed_calls)
    config = _write_choice(request, traits, unsupported, mixed=mixed) if functions else {}
    if not functions and request.tool_choice is not None and request.tool_choice.mode in ("required", "tool"):
        unsupported.append("tool_choice")
    if mixed:
        # "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."
        config["includeServerSideToolInvocations"] = True
    if config:
        written["toolConfig"] = config
    if request.parallel_tool_calls is False:
        unsupported.append("parallel_tool_calls")
    return written


def _read_function(item: Json, path: str, extras: dict[str, Json]) -> Tool:
    fields = read_fields(item, path)
    name = as_text(fields.pop("name", None), f"{path}.name")
    description = as_text(fields.pop("description", ""), f"{path}.description")
    # Both may not be given; the API then refuses them.
    for key in ("parametersJsonSchema", "parameters"):
        schema = fields.pop(key, None)
        if schema is not None:
            break
    extras.update({f"tools.{name}.{key}": field for key, field in fields.items()})
    parameters = None if schema is None else read_schema(schema, f"{path}.parameters")
    return Tool(name, description or None, parameters or None)


def _write_function(tool: Tool) -> dict[str, Json]:
    declared: dict[str, Json] = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    if tool.parameters:
        # As `parameters`, a keyword that Google's own form has not would cost the whole request; clients send many.
        declared["parametersJsonSchema"] = write_schema(tool.parameters, f"tools.{tool.name}")
    return declared


def _write_choice(request: ChatRequest, traits: Traits, unsupported: list[str], *, mixed: bool) -> dict[str, Json]:
    strict = any(isinstance(tool, Tool) and tool.strict for tool in request.tools)
    choice = request.tool_choice or ToolChoice("auto")
    if strict and not traits.validated:
        unsupported.append("tools.strict")
    if choice.mode == "none":
        return {"functionCallingConfig": {"mode": "NONE"}}
    if choice.mode == "required":
        return {"functionCallingConfig": {"mode": "ANY"}}
    if choice.mode == "tool":
        return {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [choice.name]}}
    # `ANY` keeps to the schemas by itself. Beside built-in tools, `AUTO` is refused.
    if traits.validated and (strict or mixed):
        return {"functionCallingConfig": {"mode": "VALIDATED"}}
    return {"functionCallingConfig": {"mode": "AUTO"}} if request.tool_choice is not None else {}


def _unsaid(search: WebSearch) -> list[str]:
    """What a search of another dialect says that `googleSearch` cannot; Google has `excludeDomains` for its cloud alone."""
    said = {
        "search_context_size": search.context_size,
        "allowed_domains": search.allowed_domains,
        "blocked_domains": search.blocked_domains,
        "max_uses": search.max_uses,
        "user_location": search.user_location,
    }
    return [f"tools.web_search.{key}" for key, value in said.items() if value]
