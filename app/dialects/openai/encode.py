"""A canonical request as a chat request, for a provider."""

import re

from app.core.chat import (
    ChatRequest,
    Encoded,
    ForeignTool,
    ReasoningWish,
    ResponseFormat,
    Tool,
    ToolChoice,
    WebSearch,
)
from app.core.jsonio import Json
from app.dialects.efforts import effort_of
from app.dialects.openai.encode_messages import Unsupported, takes_cache_marks, write_messages
from app.dialects.openai_models import searches, shortened_user, word_of

# The reasoning models of OpenAI refuse `max_tokens`; compatible servers, older ones at least, know only that.
_REASONING_MODEL = re.compile(r"o[134](?![a-z0-9])|gpt-[5-9]")
# Said in the same words by OpenAI's other API, and of a meaning here that does not change what the reply holds.
_KNOWN_EXTRAS = frozenset(
    {
        *("logit_bias", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
        *("safety_identifier", "verbosity"),
    }
)
_SERVICE_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
_LOCATION = ("city", "country", "region", "timezone")


def write_request(request: ChatRequest, model: str, streamed: bool) -> Encoded:
    """The payload for a provider that calls the model `model`."""
    unsupported = Unsupported()
    payload: dict[str, Json] = {"model": model, "messages": write_messages(request.messages, model, unsupported)}
    if streamed:
        payload |= {"stream": True, "stream_options": {"include_usage": True}}
    _write_tools(request, model, payload, unsupported)
    said: dict[str, Json] = {
        _limit_name(model): request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "response_format": _write_format(request.response_format),
        "reasoning_effort": _write_effort(request.reasoning, model, unsupported),
        "user": None if request.user is None else shortened_user(request.user),
    }
    payload |= {key: value for key, value in said.items() if value is not None}
    if request.top_k is not None:
        unsupported.add("top_k")
    # What is shown by itself is what "auto" asks for, which thinking in other dialects means unsaid.
    if request.reasoning is not None and request.reasoning.summary not in (None, "auto"):
        unsupported.add("reasoning.summary")
    for name, value in (request.extras or {}).items():
        if name in _KNOWN_EXTRAS or (name == "service_tier" and value in _SERVICE_TIERS):
            payload[name] = value
        else:
            unsupported.add(name)
    return Encoded(payload, unsupported.names())


def _limit_name(model: str) -> str:
    name = model.lower().rpartition("/")[2]
    return "max_completion_tokens" if _REASONING_MODEL.match(name) else "max_tokens"


def _write_tools(request: ChatRequest, model: str, payload: dict[str, Json], unsupported: Unsupported) -> None:
    """The tools, and what only makes sense with them: OpenAI refuses a choice where there is nothing to choose from."""
    marked = takes_cache_marks(model)
    tools: list[Json] = []
    for tool in request.tools:
        if isinstance(tool, Tool):
            tools.append(_write_tool(tool, marked=marked))
        elif isinstance(tool, WebSearch) and (tool.dialect == "openai" or searches(model)):
            payload["web_search_options"] = _write_search(tool, unsupported)
        elif isinstance(tool, WebSearch):
            unsupported.add("tools.web_search")
        elif tool.dialect == "openai":
            tools.append(tool.value)
        else:
            unsupported.add(f"tools.{tool.name}")
    choice = request.tool_choice
    if not tools:
        if choice is not None and choice.mode in ("required", "tool"):
            unsupported.add("tool_choice")
        return
    payload["tools"] = tools
    if request.parallel_tool_calls is not None:
        payload["parallel_tool_calls"] = request.parallel_tool_calls
    if choice is not None and choice.mode == "tool" and choice.name not in _names(request):
        unsupported.add("tool_choice")
    elif choice is not None:
        payload["tool_choice"] = _write_choice(choice, request)


def _names(request: ChatRequest) -> set[str]:
    return {
        tool.name
        for tool in request.tools
        if isinstance(tool, Tool) or (isinstance(tool, ForeignTool) and tool.dialect == "openai")
    }


def _write_tool(tool: Tool, *, marked: bool) -> dict[str, Json]:
    function: dict[str, Json] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    written: dict[str, Json] = {"type": "function", "function": function}
    return {**written, "cache_control": tool.cache} if marked and tool.cache is not None else written


def _write_search(search: WebSearch, unsupported: Unsupported) -> Json:
    if search.dialect == "openai":
        return search.value
    options: dict[str, Json] = {}
    if search.context_size is not None:
        options["search_context_size"] = search.context_size
    if search.user_location is not None:
        place = {key: search.user_location[key] for key in _LOCATION if search.user_location.get(key) is not None}
        options["user_location"] = {"type": "approximate", "approximate": place}
    for name in ("allowed_domains", "blocked_domains", "max_uses"):
        if getattr(search, name):
            unsupported.add(f"tools.web_search.{name}")
    return options


def _write_choice(choice: ToolChoice, request: ChatRequest) -> Json:
    if choice.mode != "tool":
        return choice.mode
    for tool in request.tools:
        if isinstance(tool, ForeignTool) and tool.name == choice.name:
            kind = tool.value["type"]
            return {"type": kind, kind: {"name": choice.name}}
    return {"type": "function", "function": {"name": choice.name}}


def _write_format(wanted: ResponseFormat | None) -> dict[str, Json] | None:
    if wanted is None or wanted.kind == "text":
        return None
    if wanted.kind == "json":
        return {"type": "json_object"}
    described: dict[str, Json] = {"name": wanted.name or "answer"}  # the API wants one
    if wanted.description is not None:
        described["description"] = wanted.description
    described["schema"] = wanted.schema or {}
    if wanted.strict is not None:
        described["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": described}


def _write_effort(wish: ReasoningWish | None, model: str, unsupported: Unsupported) -> str | None:
    if wish is None:
        return None
    effort = effort_of(wish.budget) if wish.effort is None and wish.budget is not None else wish.effort
    if effort is None:
        return None
    if (word := word_of(effort, model)) is None and effort != "none":
        unsupported.add("reasoning_effort")
    return word
