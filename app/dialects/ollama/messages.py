"""A conversation as Ollama's messages, both ways.

A tool's result is a message of its own there, and often without the id of its call: then it answers the first call of its
name that has no answer yet.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from app.core.chat import (
    Audio,
    Document,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
    call_names,
)
from app.core.errors import InvalidRequest
from app.core.jsonio import InvalidJson, Json, dumps
from app.dialects.fields import wrong
from app.dialects.ollama.calls import object_of
from app.dialects.ollama.extension import for_provider, read_redacted, read_signature, write_thinking
from app.dialects.ollama.fields import read_list, read_object, read_text
from app.dialects.ollama.images import read_image

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def read_messages(payload: Mapping[str, Json]) -> tuple[Message, ...]:
    """The conversation. Results that follow each other are one message.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    messages: list[Message] = []
    results: list[ToolResult] = []
    unanswered: list[ToolCall] = []
    for index, value in enumerate(read_list(payload, "messages", "messages")):
        path = f"messages[{index}]"
        if not isinstance(value, dict):
            raise wrong(path, "an object with a 'role' and mostly a 'content'")
        role = read_text(value, "role", f"{path}.role").lower()
        if role == "tool":
            results.append(_read_result(value, path, unanswered))
            continue
        if results:
            messages.append(Message("user", tuple(results)))
            results = []
        if role not in _ROLES:
            raise wrong(f"{path}.role", "one of 'system', 'user', 'assistant' and 'tool'")
        parts = tuple(_read_answer(value, path) if role == "assistant" else _read_said(value, path))
        messages.append(Message(_ROLES[role], parts))
        if role == "user":
            unanswered.clear()
        unanswered += [part for part in parts if isinstance(part, ToolCall)]
    if results:
        messages.append(Message("user", tuple(results)))
    return tuple(messages)


def read_images(holder: Mapping[str, Json], path: str) -> Iterator[Image]:
    """The pictures beside a message's or a prompt's text."""
    for index, data in enumerate(read_list(holder, "images", f"{path}images")):
        if not isinstance(data, str) or not data:
            raise wrong(f"{path}images[{index}]", "a picture as base64")
        yield read_image(data)


def write_messages(messages: Sequence[Message], unsupported: list[str]) -> list[Json]:
    """The conversation for a provider; names of what could not be said are added to `unsupported`.

    Raises:
        InvalidRequest: a tool call's arguments are no JSON object.
    """
    names = call_names(messages)
    return [written for message in messages for written in _write_message(message, names, unsupported)]


def _read_result(value: Mapping[str, Json], path: str, unanswered: list[ToolCall]) -> ToolResult:
    call_id = read_text(value, "tool_call_id", f"{path}.tool_call_id")
    # `name` is what clients said before there was `tool_name`.
    name = read_text(value, "tool_name", f"{path}.tool_name") or read_text(value, "name", f"{path}.name")
    for call in unanswered:
        if (call.id == call_id) if call_id else (name in ("", call.name)):
            unanswered.remove(call)
            call_id, name = call.id, call.name
            break
    return ToolResult(call_id or _make_id(path), tuple(_read_said(value, path)), name=name or None)


def _read_answer(value: Mapping[str, Json], path: str) -> Iterator[Part]:
    yield from _read_thinking(value, path)
    yield from _read_said(value, path)
    yield from _read_calls(value, path)


def _read_thinking(value: Mapping[str, Json], path: str) -> Iterator[Reasoning]:
    text, signature = read_text(value, "thinking", f"{path}.thinking"), read_signature(value.get("thinking_signature"))
    if text or signature is not None:
        yield Reasoning(text, signature)
    for redacted in read_redacted(value):
        yield Reasoning(redacted=redacted)


def _read_said(value: Mapping[str, Json], path: str) -> Iterator[Text | Image]:
    # Ollama, too, puts pictures before the text.
    yield from read_images(value, f"{path}.")
    if text := read_text(value, "content", f"{path}.content"):
        yield Text(text)


def _read_calls(value: Mapping[str, Json], path: str) -> Iterator[ToolCall]:
    for index, call in enumerate(read_list(value, "tool_calls", f"{path}.tool_calls")):
        place = f"{path}.tool_calls[{index}]"
        if not isinstance(call, dict):
            raise wrong(place, "an object with a 'function'")
        function = read_object(call, "function", f"{place}.function")
        name = read_text(function, "name", f"{place}.function.name")
        if not name:
            raise wrong(f"{place}.function.name", "a function's name")
        arguments = read_object(function, "arguments", f"{place}.function.arguments")
        try:
            text = dumps(arguments).decode()
        except InvalidJson as exc:
            raise InvalidRequest(
                f"{place}.function.arguments cannot be passed on: {exc}.", param=f"{place}.function.arguments"
            ) from None
        call_id = read_text(call, "id", f"{place}.id") or _make_id(place)
        yield ToolCall(call_id, name, text, signature=read_signature(call.get("signature")))


def _make_id(place: str) -> str:
    """An id for what stands at `place`, the same each time: providers cache a conversation's beginning as it was written."""
    return f"call_{hashlib.sha256(place.encode()).hexdigest()[:24]}"


def _write_message(message: Message, names: Mapping[str, str], unsupported: list[str]) -> Iterator[Json]:
    if message.name is not None:
        unsupported.append("name")
    spoken: list[Part] = []
    for part in message.parts:
        if not isinstance(part, ToolResult):
            spoken.append(part)
            continue
        if spoken:
            yield _write_spoken(message.role, spoken, unsupported)
            spoken = []
        yield _write_result(part, names, unsupported)
    if spoken or not message.parts:
        yield _write_spoken(message.role, spoken, unsupported)


def _write_result(result: ToolResult, names: Mapping[str, str], unsupported: list[str]) -> Json:
    _note_cache(result.cache, unsupported)
    written = {**_write_spoken("tool", result.parts, unsupported), "tool_call_id": result.call_id}
    if result.is_error and not written["content"].lower().startswith("error"):
        # There is no other place to say so.
        written["content"] = f"Error: {written['content']}" if written["content"] else "Error"
    name = result.name or names.get(result.call_id)
    return {**written, "tool_name": name} if name else written


def _write_spoken(role: str, parts: Sequence[Part], unsupported: list[str]) -> dict[str, Json]:
    texts: list[str] = []
    images: list[Json] = []
    calls: list[Json] = []
    for part in parts:
        match part:
            case Text() | Refusal():
                texts.append(part.text)
            case Document(text=str(text)):
                texts.append(text)
            case Image(data=str(data)):
                images.append(data)
            case Image():
                unsupported.append("image_url")
            case Document():
                unsupported.append("documents")
            case Audio():
                unsupported.append("audio")
            case Foreign():
                kind = part.value.get("type") if isinstance(part.value, dict) else None
                unsupported.append(kind if isinstance(kind, str) else "content")
            case ToolCall():
                calls.append(_write_call(part, len(calls)))
            case Reasoning() | ToolResult():
                continue  # the one is written as a whole, the other has a message of its own
        if isinstance(part, Text | Image | Document):
            _note_cache(part.cache, unsupported)
        if isinstance(part, Image) and part.detail not in (None, "auto"):
            unsupported.append("detail")
    # A model's text comes in pieces of one, a client's as paragraphs.
    written: dict[str, Json] = {"role": role, "content": ("" if role == "assistant" else "\n\n").join(texts)}
    written |= write_thinking([part for part in parts if isinstance(part, Reasoning)], for_provider)
    if images:
        written["images"] = images
    if calls:
        written["tool_calls"] = calls
    return written


def _write_call(call: ToolCall, index: int) -> Json:
    arguments = object_of(call.arguments)
    if arguments is None:
        raise InvalidRequest(
            f"The arguments of the call {call.id!r} of the tool {call.name!r} are not a JSON object.", param="messages"
        )
    written: dict[str, Json] = {
        "id": call.id,
        "function": {"index": index, "name": call.name, "arguments": arguments},
    }
    if call.signature is not None and (signature := for_provider(call.signature)):
        written["signature"] = signature
    return written


def _note_cache(mark: Json, unsupported: list[str]) -> None:
    if mark is not None:
        unsupported.append("cache_control")
