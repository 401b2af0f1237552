"""A canonical request as the payload for a provider.

This API has no words for stop sequences, a seed, penalties and `top_k`; those it lists as unsupported.
"""

from collections.abc import Mapping

from app.core.chat import ChatRequest, Encoded, Message, ReasoningWish, ResponseFormat, Text, ToolChoice
from app.core.jsonio import Json
from app.dialects.efforts import effort_of
from app.dialects.openai_models import shortened_user, thinks, word_of
from app.dialects.responses.items import write_items
from app.dialects.responses.tools import write_tool_choice, write_tools

# OpenAI refuses a lower `max_output_tokens`.
_LEAST_TOKENS = 16
_SEALED_REASONING = "reasoning.encrypted_content"

# What can be passed on as it is, by the kind of value it has here: other dialects have other things by the same names.
_PASSED: dict[str, type | tuple[type, ...]] = {
    "access_programs": dict,
    "background": bool,
    "background_options": dict,
    "context_management": list,
    "conversation": (str, dict),
    "image": dict,
    "include": list,
    "max_tool_calls": int,
    "metadata": dict,
    "moderation": dict,
    "previous_response_id": str,
    "prompt": dict,
    "prompt_cache_key": str,
    "prompt_cache_options": dict,
    "prompt_cache_retention": str,
    "safety_identifier": str,
    "service_tier": str,
    "store": bool,
    "tool_choice": dict,
    "top_logprobs": int,
    "truncation": str,
}
_WORDS = {
    "service_tier": frozenset(("auto", "default", "fast", "flex", "priority", "scale")),
    "truncation": frozenset(("auto", "disabled")),
}
_UNSAYABLE = ("top_k", "stop", "seed", "presence_penalty", "frequency_penalty")


def write_request(request: ChatRequest, model: str, streamed: bool) -> Encoded:
    """The payload that says `request` to a provider that calls the model `model`.

    Cache marks are written only where the client speaks of them in this API's words (`prompt_cache_options`): the provider
    caches by itself, and most models refuse them.
    """
    extras = dict(request.extras or {})
    instructions, messages = _split_instructions(request.messages)
    items, unsupported = write_items(messages, breakpoints="prompt_cache_options" in extras)
    tools, unsaid_tools = write_tools(request.tools)
    choice, unsaid_choice = _write_choice(request.tool_choice, tools)
    text: dict[str, Json] = {}
    reasoning: dict[str, Json] = {}
    passed, unknown = _pass_extras(extras, text, reasoning)
    if request.response_format is not None:
        text["format"] = _write_format(request.response_format)
    if request.reasoning is not None and not thinks(model):
        if request.reasoning.effort != "none":
            unknown.append("reasoning_effort")
    elif request.reasoning is not None:
        reasoning.update(_write_reasoning(request.reasoning, model))
        if reasoning.get("effort") != "none":
            _ask_for_seals(passed)
    fields: dict[str, Json] = {
        "instructions": instructions,
        "tools": tools or None,
        "tool_choice": choice,
        "parallel_tool_calls": request.parallel_tool_calls,
        "max_output_tokens": None if request.max_tokens is None else max(request.max_tokens, _LEAST_TOKENS),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "text": text or None,
        "reasoning": reasoning or None,
        "user": None if request.user is None else shortened_user(request.user),
        "stream": streamed or None,
    }
    said = {key: value for key, value in fields.items() if value is not None}
    missing = [name for name in _UNSAYABLE if getattr(request, name) not in (None, ())]
    if said.get("max_output_tokens") != request.max_tokens:
        missing.append("max_tokens")
    return Encoded(
        {"model": model, "input": items, **passed, **said},
        tuple(dict.fromkeys([*unsupported, *unsaid_tools, *unsaid_choice, *missing, *unknown])),
    )


def _write_choice(choice: ToolChoice | None, tools: list[Json]) -> tuple[Json, list[str]]:
    """The choice among `tools`, and its name where it asks for one that is not there: the API would refuse it."""
    if choice is None:
        return None, []
    written = write_tool_choice(choice, tools) if tools or choice.mode in ("auto", "none") else None
    return written, [] if written is not None else ["tool_choice"]


def _ask_for_seals(passed: dict[str, Json]) -> None:
    """So that the client, who keeps the conversation, gets the reasoning to keep too."""
    if not passed.get("background"):
        passed.setdefault("store", False)
    included = passed.get("include", [])
    if _SEALED_REASONING not in included:
        passed["include"] = [*included, _SEALED_REASONING]


def _split_instructions(messages: tuple[Message, ...]) -> tuple[str | None, tuple[Message, ...]]:
    """The system message at the beginning, where it is one plain text, and all other messages."""
    match messages:
        case [Message("system", (Text(text, None),), None), _, *_] if text:
            return text, messages[1:]
    return None, messages


def _pass_extras(
    extras: Mapping[str, Json], text: dict[str, Json], reasoning: dict[str, Json]
) -> tuple[dict[str, Json], list[str]]:
    """The extras that this API knows, and the names of the others. Those of `text` and `reasoning` are put there."""
    passed: dict[str, Json] = {}
    unknown = []
    for key, value in extras.items():
        place, _, name = key.partition(".")
        if key == "verbosity":
            text[key] = value
        elif name and place in ("text", "reasoning"):
            (text if place == "text" else reasoning)[name] = value
        elif key == "stream_options" and isinstance(value, dict):
            # Usage always comes.
            rest = {option: wish for option, wish in value.items() if option != "include_usage"}
            if rest.keys() <= {"include_obfuscation"}:
                passed |= {key: rest} if rest else {}
            else:
                unknown.append(key)
        elif _is_known(key, value):
            passed[key] = value
        else:
            unknown.append(key)
    return passed, unknown


def _is_known(key: str, value: Json) -> bool:
    kinds = _PASSED.get(key)
    if kinds is None or not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        return False
    return key not in _WORDS or value in _WORDS[key]


def _write_reasoning(wish: ReasoningWish, model: str) -> dict[str, Json]:
    effort = wish.effort or (None if wish.budget is None else effort_of(wish.budget))
    fields = {"effort": effort and word_of(effort, model), "summary": wish.summary}
    return {key: value for key, value in fields.items() if value is not None}


def _write_format(wanted: ResponseFormat) -> dict[str, Json]:
    match wanted.kind:
        case "text":
            return {"type": "text"}
        case "json":
            return {"type": "json_object"}
        case "schema":
            optional = {"description": wanted.description, "strict": wanted.strict}
            said = {key: value for key, value in optional.items() if value is not None}
            return {"type": "json_schema", "name": wanted.name or "response", "schema": wanted.schema or {}, **said}
