"""Requests to /api/chat and /api/generate: what the gateway must know of one, its canonical values, and back."""

from collections.abc import Mapping

from app.core.chat import ChatRequest, Encoded, Message, Text
from app.core.jsonio import Json
from app.dialects.asker import said_tags
from app.dialects.dialect import Asked
from app.dialects.fields import wrong
from app.dialects.ollama.fields import read_list, read_text
from app.dialects.ollama.messages import read_images, read_messages, write_messages
from app.dialects.ollama.opening import open_named
from app.dialects.ollama.options import (
    PREFIX,
    read_format,
    read_options,
    read_think,
    read_tools,
    write_format,
    write_options,
    write_think,
    write_tools,
)

_COMMON = frozenset({"model", "stream", "options", "think", "format"})
_OF_CHAT = _COMMON | {"messages", "tools"}
_OF_GENERATE = _COMMON | {"prompt", "system", "images"}
# Their zero value says nothing; of all others it may: `keep_alive` 0, `truncate` false.
_SILENT_WHEN_EMPTY = frozenset({"suffix", "template", "context", "raw", "logprobs", "top_logprobs"})
# Extras that /api/chat takes. Not `logprobs`: the reply has lost them by the time it comes back.
_SAYABLE = frozenset({"keep_alive", "truncate", "shift"})


def read_asked(body: bytes) -> Asked:
    """What must be known of a request to /api/chat; whatever else there is, is for the provider to judge.

    Without messages it is a load request (`load.is_load`).

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    asked = _read_asked(body)
    for index, message in enumerate(read_list(asked.payload, "messages", "messages")):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise wrong(f"messages[{index}]", "an object with a 'role' and mostly a 'content'")
    return asked


def read_asked_generate(body: bytes) -> Asked:
    """The same of a request to /api/generate; without a prompt it is a load request (`load.is_generate_load`)."""
    asked = _read_asked(body)
    read_text(asked.payload, "prompt", "prompt")
    return asked


def read_request(payload: Mapping[str, Json]) -> ChatRequest:
    """A request to /api/chat in canonical values.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    return _read_request(payload, read_messages(payload), _OF_CHAT)


def read_generate_request(payload: Mapping[str, Json]) -> ChatRequest:
    """A request to /api/generate as a chat: a system message, where there is one, and the prompt.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    system, prompt = read_text(payload, "system", "system"), read_text(payload, "prompt", "prompt")
    asked = Message("user", (*read_images(payload, ""), *([Text(prompt)] if prompt else [])))
    messages = (Message("system", (Text(system),)), asked) if system else (asked,)
    return _read_request(payload, messages, _OF_GENERATE)


def write_request(request: ChatRequest, model: str, streamed: bool) -> Encoded:
    """A request to /api/chat, whichever endpoint the client used.

    Raises:
        InvalidRequest: a tool call's arguments are no JSON object.
    """
    unsupported = _unsayable(request)
    fields: dict[str, Json] = {
        "tools": write_tools(request, unsupported) or None,
        "format": write_format(request.response_format),
        "options": write_options(request) or None,
        "think": write_think(request.reasoning, model),
    }
    extras = request.extras or {}
    fields |= {key: value for key, value in extras.items() if key in _SAYABLE}
    payload: dict[str, Json] = {"model": model, "messages": write_messages(request.messages, unsupported)}
    payload |= {key: value for key, value in fields.items() if value is not None}
    return Encoded({**payload, "stream": streamed}, tuple(dict.fromkeys(unsupported)))


def _read_asked(body: bytes) -> Asked:
    body, payload, name = open_named(body)
    stream = payload.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise wrong("stream", "true or false")
    return Asked(body, payload, name, stream is not False, wants_usage=True, tags=said_tags(payload))


def _read_request(payload: Mapping[str, Json], messages: tuple[Message, ...], known: frozenset[str]) -> ChatRequest:
    fields, extras = read_options(payload)
    extras |= {
        key: value
        for key, value in payload.items()
        if key not in known and value is not None and (value or key not in _SILENT_WHEN_EMPTY)
    }
    return ChatRequest(
        messages,
        tools=read_tools(payload),
        response_format=read_format(payload),
        reasoning=read_think(payload),
        extras=extras or None,
        **fields,
    )


def _unsayable(request: ChatRequest) -> list[str]:
    """The names of what a request says beside messages and tools, and Ollama has no word for."""
    choice = request.tool_choice
    found = {
        "tool_choice": choice is not None and choice.mode in ("required", "tool"),
        "parallel_tool_calls": request.parallel_tool_calls is False,
        "user": request.user is not None,
    }
    extras = [key for key in request.extras or {} if key not in _SAYABLE and not key.startswith(PREFIX)]
    return [name for name, unsayable in found.items() if unsayable] + extras
