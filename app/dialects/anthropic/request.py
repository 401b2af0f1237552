"""A Messages request: what the gateway must know of it, read into a canonical one, and written for a provider."""

from collections.abc import Callable, Mapping

from app.core.chat import ChatRequest, Encoded, Message, ResponseFormat
from app.core.jsonio import Json
from app.dialects.anthropic.blocks import read_content
from app.dialects.anthropic.models import traits_of
from app.dialects.anthropic.sampling import write_sampling
from app.dialects.anthropic.thinking import ANSWER_TOKENS, Thinking, read_thinking, write_thinking
from app.dialects.anthropic.tools import read_tool_choice, read_tools, write_tool_choice, write_tools
from app.dialects.anthropic.turns import write_messages, write_system
from app.dialects.asker import anthropic_user, said_tags
from app.dialects.dialect import Asked
from app.dialects.fields import as_integer, as_list, as_number, as_object, as_text, as_texts, optional, wrong
from app.dialects.opening import is_name, open_body

_ROLES = ("user", "assistant", "system")
_FIELDS = frozenset(
    (
        *("model", "messages", "max_tokens", "stream", "system", "tools", "tool_choice", "thinking", "output_config"),
        *("output_format", "metadata", "stop_sequences", "temperature", "top_p", "top_k"),
    )
)


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


# Extras that only this dialect has, or that another has with other values: by what a value of this dialect looks like.
_OWN_EXTRAS: Mapping[str, Callable[[Json], bool]] = {
    "cache_control": _is_object,
    "container": lambda value: isinstance(value, str | dict),
    "context_management": _is_object,
    "diagnostics": _is_object,
    "inference_geo": _is_text,
    "mcp_servers": lambda value: isinstance(value, list),
    "service_tier": lambda value: value in ("auto", "standard_only"),
    "speed": _is_text,
    "user_profile_id": _is_text,
}


def read_asked(body: bytes) -> Asked:
    """Check what must be there; whatever else there is, is for the provider to judge.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    asked = read_asked_count(body)
    limit = asked.payload.get("max_tokens")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise wrong("max_tokens", "there, and a whole number: how many tokens the answer may have")
    return asked


def read_asked_count(body: bytes) -> Asked:
    """The same of a request to count its tokens, which has no limit for an answer.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload = open_body(body)
    name = payload.get("model")
    if not is_name(name):
        raise wrong("model", "a model's name, such as 'demo'")
    messages = payload.get("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong("messages", "a list of at least one message")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise wrong(f"messages[{index}]", "an object with a 'role' and a 'content'")
    stream = payload.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise wrong("stream", "true or false")
    return Asked(body, payload, name, stream is True, True, anthropic_user(payload), said_tags(payload))


def read_request(payload: Mapping[str, Json]) -> ChatRequest:
    """A payload as a canonical request.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    extras = {key: value for key, value in payload.items() if key not in _FIELDS and value is not None}
    choice, parallel = read_tool_choice(payload.get("tool_choice"))
    return ChatRequest(
        messages=_read_messages(payload, extras),
        tools=read_tools(payload.get("tools"), extras),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=_read_format(payload, extras),
        max_tokens=optional(as_integer, payload.get("max_tokens"), "max_tokens"),
        temperature=optional(as_number, payload.get("temperature"), "temperature"),
        top_p=optional(as_number, payload.get("top_p"), "top_p"),
        top_k=optional(as_integer, payload.get("top_k"), "top_k"),
        stop=optional(as_texts, payload.get("stop_sequences"), "stop_sequences") or (),
        reasoning=read_thinking(payload, extras),
        user=_read_user(payload, extras),
        extras=extras or None,
    )


def write_request(request: ChatRequest, model: str, streamed: bool) -> Encoded:
    """A canonical request as a payload for a provider that calls the model `model`.

    Raises:
        InvalidRequest: the arguments of a tool call are no JSON object.
    """
    unsupported: dict[str, None] = {}
    traits, extras = traits_of(model), request.extras or {}
    system, turns = write_messages(request.messages, unsupported)
    thinking = write_thinking(request.reasoning, extras.get("thinking"), traits, turns, unsupported)
    payload: dict[str, Json] = {"model": model, "max_tokens": _max_tokens(request, thinking)}
    if request.max_tokens not in (None, payload["max_tokens"]):
        unsupported["max_tokens"] = None
    if system:
        payload["system"] = write_system(system)
    payload["messages"] = turns
    payload |= write_sampling(request, traits, thinking, unsupported)
    payload |= _write_tools(request, thinking, unsupported)
    if thinking.config is not None:
        payload["thinking"] = thinking.config
    if output := _output(request.response_format, thinking, unsupported):
        payload["output_config"] = output
    if request.user is not None:
        payload["metadata"] = {"user_id": request.user}
    for name in ("seed", "presence_penalty", "frequency_penalty"):
        if getattr(request, name) is not None:
            unsupported[name] = None
    for name, value in extras.items():
        if name in _OWN_EXTRAS and _OWN_EXTRAS[name](value):
            payload[name] = value
        elif name != "thinking":
            unsupported[name] = None
    if streamed:
        payload["stream"] = True
    return Encoded(payload, tuple(unsupported))


def _read_messages(payload: Mapping[str, Json], extras: dict[str, Json]) -> tuple[Message, ...]:
    messages: list[Message] = []
    if (system := payload.get("system")) is not None:
        messages.append(Message("system", read_content(system, "system", "system", extras)))
    for index, value in enumerate(as_list(payload.get("messages"), "messages")):
        path = f"messages[{index}]"
        message = as_object(value, path)
        role = message.get("role")
        if role not in _ROLES:
            raise wrong(f"{path}.role", "'user', 'assistant' or 'system'")
        messages.append(Message(role, read_content(message.get("content"), f"{path}.content", role, extras)))
    return tuple(messages)


def _read_format(payload: Mapping[str, Json], extras: dict[str, Json]) -> ResponseFormat | None:
    """What `output_config` says of the answer's form, or `output_format`, as it was called in the beta."""
    output = dict(optional(as_object, payload.get("output_config"), "output_config") or {})
    path, value = "output_config.format", output.pop("format", None)
    output.pop("effort", None)
    extras.update({f"output_config.{key}": value for key, value in output.items() if value is not None})
    if value is None:
        path, value = "output_format", payload.get("output_format")
    if value is None:
        return None
    wanted = as_object(value, path)
    if as_text(wanted.get("type"), f"{path}.type") != "json_schema":
        extras[path] = value
        return None
    return ResponseFormat("schema", schema=as_object(wanted.get("schema"), f"{path}.schema"))


def _read_user(payload: Mapping[str, Json], extras: dict[str, Json]) -> str | None:
    metadata = dict(optional(as_object, payload.get("metadata"), "metadata") or {})
    user = optional(as_text, metadata.pop("user_id", None), "metadata.user_id")
    extras.update({f"metadata.{key}": value for key, value in metadata.items()})
    return user


def _max_tokens(request: ChatRequest, thinking: Thinking) -> int:
    if request.max_tokens is None:
        return thinking.tokens + ANSWER_TOKENS
    if thinking.budget and request.max_tokens <= thinking.budget:
        return thinking.budget + ANSWER_TOKENS
    return request.max_tokens


def _write_tools(request: ChatRequest, thinking: Thinking, unsupported: dict[str, None]) -> dict[str, Json]:
    tools = write_tools(request.tools, unsupported)
    if not tools:
        if request.tool_choice is not None and request.tool_choice.mode in ("required", "tool"):
            unsupported["tool_choice"] = None
        return {}
    choice = write_tool_choice(
        request.tool_choice, request.parallel_tool_calls, thinks=thinking.on, unsupported=unsupported
    )
    return {"tools": tools, "tool_choice": choice} if choice is not None else {"tools": tools}


def _output(wanted: ResponseFormat | None, thinking: Thinking, unsupported: dict[str, None]) -> dict[str, Json]:
    output: dict[str, Json] = {} if thinking.effort is None else {"effort": thinking.effort}
    if wanted is not None and wanted.schema is not None:
        output["format"] = {"type": "json_schema", "schema": wanted.schema}
    elif wanted is not None and wanted.kind != "text":
        unsupported["response_format"] = None
    return output
