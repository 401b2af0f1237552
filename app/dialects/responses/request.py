"""A client's request: what must be there, what only a provider with a memory could do, and the whole in canonical values.

Source: OpenAI's reference of `POST /responses`; from OpenRouter's the penalties, `top_k`, and a budget for reasoning.
"""

from collections.abc import Mapping
from typing import cast

from app.core.chat import ChatRequest, Effort, Message, ReasoningWish, ResponseFormat, Text
from app.core.jsonio import Json
from app.dialects.asker import openai_user, said_tags
from app.dialects.dialect import Asked
from app.dialects.efforts import EFFORTS
from app.dialects.fields import as_text, wrong
from app.dialects.opening import is_name, open_body
from app.dialects.responses.fields import find_count, find_flag, find_number, find_object, find_text
from app.dialects.responses.messages import is_reference, read_input
from app.dialects.responses.tools import read_tool_choice, read_tools

_STATEFUL = ("previous_response_id", "conversation", "prompt")
# What is read into fields of its own; all else is an extra.
_READ = frozenset(
    {
        "model",
        "input",
        "instructions",
        "stream",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "reasoning",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "user",
        "safety_identifier",
    }
)
_READ_OF_TEXT = frozenset({"format", "verbosity"})
_READ_OF_REASONING = frozenset({"effort", "summary", "generate_summary", "max_tokens", "enabled"})


def read_asked(body: bytes) -> Asked:
    """Check what must be there; whatever else there is, is for the provider to judge.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload = open_body(body)
    name = payload.get("model")
    if not is_name(name):
        raise wrong("model", "a model's name, such as 'demo'")
    # The conversation that the provider keeps may be all that there is to say.
    given = payload.get("input")
    if not isinstance(given, str | list) and (given is not None or not any(payload.get(key) for key in _STATEFUL)):
        raise wrong("input", "a string or a list of items")
    for index, item in enumerate(given if isinstance(given, list) else ()):
        if not isinstance(item, dict):
            raise wrong(f"input[{index}]", "an object, such as a message with 'role' and 'content'")
    streamed = find_flag(payload, "stream") is True
    return Asked(body, payload, name, streamed, True, openai_user(payload), said_tags(payload))


def needs_state(payload: Mapping[str, Json]) -> str | None:
    """The parameter, such as `previous_response_id` or `input[2]`, that means something only to the provider which keeps it.

    None where the request says all by itself, so that any provider can answer it.
    """
    for key in _STATEFUL:
        if payload.get(key) is not None:
            return key
    if payload.get("background") is True:
        return "background"
    given = payload.get("input")
    for index, item in enumerate(given if isinstance(given, list) else ()):
        if isinstance(item, dict) and is_reference(item):
            return f"input[{index}]"
    return None


def read_request(payload: Mapping[str, Json]) -> ChatRequest:
    """The canonical request that `payload` is.

    Extras are named as here, those within objects by their path (`reasoning.context`); only `text.verbosity` is called
    `verbosity`, which is what Chat calls it too. A choice of a built-in tool is the extra `tool_choice`.

    Raises:
        InvalidRequest: with the field's path as `param`.
    """
    messages = read_input(payload.get("input"))
    if instructions := find_text(payload, "instructions"):
        messages = (Message("system", (Text(instructions),)), *messages)
    asked_choice = payload.get("tool_choice")
    choice, tools = read_tool_choice(asked_choice, read_tools(payload.get("tools")))
    text = find_object(payload, "text") or {}
    reasoning = find_object(payload, "reasoning") or {}
    user, identifier = find_text(payload, "user"), find_text(payload, "safety_identifier")
    extras = {key: value for key, value in payload.items() if key not in _READ}
    extras["tool_choice"] = asked_choice if choice is None else None
    extras["safety_identifier"] = identifier if user is not None else None
    extras["verbosity"] = text.get("verbosity")
    extras |= {f"text.{key}": value for key, value in text.items() if key not in _READ_OF_TEXT}
    extras |= {f"reasoning.{key}": value for key, value in reasoning.items() if key not in _READ_OF_REASONING}
    return ChatRequest(
        messages=messages,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=find_flag(payload, "parallel_tool_calls"),
        response_format=_read_format(find_object(text, "format", "text.")),
        max_tokens=find_count(payload, "max_output_tokens"),
        temperature=find_number(payload, "temperature"),
        top_p=find_number(payload, "top_p"),
        top_k=find_count(payload, "top_k"),
        presence_penalty=find_number(payload, "presence_penalty"),
        frequency_penalty=find_number(payload, "frequency_penalty"),
        reasoning=_read_reasoning(reasoning),
        user=user if user is not None else identifier,
        extras={key: value for key, value in extras.items() if value is not None} or None,
    )


def _read_reasoning(fields: Mapping[str, Json]) -> ReasoningWish | None:
    effort = find_text(fields, "effort", "reasoning.")
    if effort is not None and effort not in EFFORTS:
        raise wrong("reasoning.effort", f"one of {', '.join(sorted(EFFORTS))}")
    budget = find_count(fields, "max_tokens", "reasoning.")
    enabled = find_flag(fields, "enabled", "reasoning.")
    if enabled is not None and effort is None and budget is None:
        effort = "medium" if enabled else "none"
    # `generate_summary` is what `summary` was called at first.
    summary = find_text(fields, "summary", "reasoning.") or find_text(fields, "generate_summary", "reasoning.")
    if effort is None and budget is None and summary is None:
        return None
    return ReasoningWish(effort=cast("Effort | None", effort), budget=budget, summary=summary)


def _read_format(fields: Mapping[str, Json] | None) -> ResponseFormat | None:
    if fields is None:
        return None
    match as_text(fields.get("type"), "text.format.type"):
        case "text":
            return None
        case "json_object":
            return ResponseFormat("json")
        case "json_schema":
            return ResponseFormat(
                "schema",
                schema=find_object(fields, "schema", "text.format."),
                name=find_text(fields, "name", "text.format."),
                description=find_text(fields, "description", "text.format."),
                strict=find_flag(fields, "strict", "text.format."),
            )
    raise wrong("text.format.type", "one of 'text', 'json_object' and 'json_schema'")
