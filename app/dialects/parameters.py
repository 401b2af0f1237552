"""What a provider can be told in its dialect, and how it is said there: found out from what the dialect itself writes."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from app.core.abilities import Rules
from app.core.chat import ChatRequest, Message, ReasoningWish, ResponseFormat, Text, Tool, ToolChoice, WebSearch
from app.core.jsonio import Json
from app.dialects.dialect import Dialect
from app.dialects.registry import DIALECTS
from app.dialects.rules import find, fit_chat

_MESSAGES = (Message("user", (Text("Hello"),)),)
_TOOLS = (Tool("look", parameters={"type": "object", "properties": {}}),)

PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "max_tokens": {"max_tokens": 20_000},
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.5},
    "top_k": {"top_k": 5},
    "stop": {"stop": ("END",)},
    "seed": {"seed": 7},
    "presence_penalty": {"presence_penalty": 0.5},
    "frequency_penalty": {"frequency_penalty": 0.5},
    "reasoning_effort": {"reasoning": ReasoningWish("high")},
    "response_format": {"response_format": ResponseFormat("schema", schema={"type": "object", "properties": {}})},
    "tools": {"tools": _TOOLS},
    "tool_choice": {"tools": _TOOLS, "tool_choice": ToolChoice("required")},
    "parallel_tool_calls": {"tools": _TOOLS, "parallel_tool_calls": False},
    "web_search_options": {"tools": (WebSearch("", None),)},
    "user": {"user": "somebody"},
}
"""What the dialects have in common, by the names of Chat Completions: for each, the fields of a `ChatRequest` that ask for it."""


def taken(dialect: str, model: str, rules: Rules | None) -> dict[str, str]:
    """The parameters that a provider of `dialect` can be told for its model `model`, each with the word that says it there."""
    left_out = rules.unsupported if rules is not None else ()
    found = {name: word for name, word in _written(dialect, model).items() if name not in left_out}
    if rules is not None and dialect == "openai" and "max_tokens" in found:
        found["max_tokens"] = next(iter(fit_chat({found["max_tokens"]: 1}, rules)))
    return found


@lru_cache(maxsize=2048)
def _written(name: str, model: str) -> Mapping[str, str]:
    dialect = DIALECTS[name]
    words = {parameter: _word(dialect, model, parameter) for parameter in PARAMETERS}
    return {parameter: word for parameter, word in words.items() if word is not None}


def _word(dialect: Dialect, model: str, parameter: str) -> str | None:
    """How `dialect` says `parameter` to the model; None where it cannot."""
    fields = PARAMETERS[parameter]
    # A choice of tools is written where there are tools only, and it is the choice that is looked for.
    tools = fields.get("tools", ()) if len(fields) > 1 else ()
    without = dialect.write_request(ChatRequest(_MESSAGES, tools=tools), model, False).payload
    asked = dialect.write_request(ChatRequest(_MESSAGES, **fields), model, False).payload
    # To search the web is a parameter in Chat Completions only, and a tool elsewhere.
    paths = dialect.words.get(parameter, ("tools",))
    return next((path for path in paths if _differs(path, asked, without)), None)


def _differs(path: str, one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    said = find(one, path)
    return said is not None and said != find(other, path)
