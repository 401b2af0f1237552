"""The conversation of a request: `systemInstruction` and `contents`, read into messages."""

import secrets

from app.core.chat import (
    Audio,
    Document,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    Signature,
    Text,
    ToolCall,
    ToolResult,
)
from app.core.jsonio import InvalidJson, Json, dumps
from app.dialects.fields import as_text, wrong
from app.dialects.gemini.fields import Fields, read_fields, read_list
from app.dialects.gemini.media import read_file, read_inline
from app.dialects.gemini.signatures import NAME, read_signature

_ROLES = {"user": "user", "model": "assistant", "function": "user"}  # results of functions once had a role of their own
_KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse")
_PART = frozenset({*_KINDS, "thought", "thoughtSignature"})
_RESULT = frozenset({"id", "name", "response", "parts"})

_Shown = Text | Image | Audio | Document | Foreign


def as_contents(value: Json) -> list[Json]:
    """`contents` as a list: a string is a conversation too, and so is one content alone.

    Raises:
        InvalidRequest: it is none of them, or empty.
    """
    if isinstance(value, str) and value:
        return [value]
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list) or not value:
        raise wrong("contents", "a list of at least one content")
    return value


def read_system(value: Json) -> Message | None:
    """`systemInstruction`: a content, its parts, or its text alone. Raises `InvalidRequest`."""
    path = "systemInstruction"
    if isinstance(value, str):
        return Message("system", (Text(value),)) if value else None
    found = value if isinstance(value, list) else read_list(read_fields(value, path).get("parts", []), f"{path}.parts")
    texts: list[Part] = []
    for index, item in enumerate(found):
        where = f"{path}.parts[{index}]"
        text = item if isinstance(item, str) else as_text(read_fields(item, where).get("text"), f"{where}.text")
        texts.append(Text(text))
    return Message("system", tuple(texts)) if texts else None


def read_contents(value: Json, extras: dict[str, Json]) -> list[Message]:
    """The messages of `contents`; what is said of a part that others do not know goes to `extras`.

    Raises:
        InvalidRequest: with the field as `param`.
    """
    reading = _Reading(extras)
    for index, content in enumerate(as_contents(value)):
        reading.take(content, f"contents[{index}]")
    if not reading.messages:
        raise wrong("contents", "a list of contents with at least one part")
    return reading.messages


def new_call_id() -> str:
    """An id for a call that came without."""
    return f"call_{secrets.token_hex(12)}"


class _Reading:
    """Reads contents in their order, and knows which calls wait for their results."""

    def __init__(self, extras: dict[str, Json]) -> None:
        self.messages: list[Message] = []
        self._extras = extras
        self._waiting: dict[str, str] = {}
        self._made: set[str] = set()

    def take(self, content: Json, path: str) -> None:
        fields = {"parts": [content]} if isinstance(content, str) else read_fields(content, path)
        role = _ROLES.get(as_text(fields.get("role", "user"), f"{path}.role"))
        if role is None:
            raise wrong(f"{path}.role", "'user' or 'model'")
        found = [
            (item, f"{path}.parts[{index}]")
            for index, item in enumerate(read_list(fields.get("parts", []), f"{path}.parts"))
        ]
        if role == "user":
            if told := tuple(self._read_told(item, where) for item, where in found):
                self.messages.append(Message("user", told))
            return
        # A chat that was streamed comes back with a content for each chunk: they are one message again.
        goes_on = bool(self.messages) and self.messages[-1].role == "assistant"
        parts = list(self.messages.pop().parts) if goes_on else []
        for item, where in found:
            self._read_answered(item, where, parts)
        if parts:
            self.messages.append(Message("assistant", tuple(parts)))

    def _read_told(self, item: Json, path: str) -> Part:
        fields = self._read_part(item, path)
        if "functionCall" in fields:
            raise wrong(path, "in a content of role 'model', as it has a functionCall")
        if "functionResponse" in fields:
            return self._read_result(fields["functionResponse"], f"{path}.functionResponse")
        return _read_shown(fields, item, path)

    def _read_answered(self, item: Json, path: str, parts: list[Part]) -> None:
        """Put a part of the model behind `parts`, or join it with the last of them."""
        fields = self._read_part(item, path)
        if "functionResponse" in fields:
            raise wrong(path, "in a content of role 'user', as it has a functionResponse")
        signature, redacted = None, False
        if "thoughtSignature" in fields:
            signature, redacted = read_signature(as_text(fields["thoughtSignature"], f"{path}.thoughtSignature"))
        if "functionCall" in fields:
            parts.append(self._read_call(fields["functionCall"], f"{path}.functionCall", signature))
        elif fields.get("thought") is True and "text" in fields:
            _think(parts, as_text(fields["text"], f"{path}.text"))
            _sign(parts, signature, redacted=redacted)
        elif any(kind in fields for kind in _KINDS):
            _sign(parts, signature, redacted=redacted)
            _show(parts, _read_shown(fields, item, path))
        elif signature is not None and fields.keys() <= _PART:
            _sign(parts, signature, redacted=redacted)
        else:
            parts.append(_read_shown(fields, item, path))

    def _read_part(self, item: Json, path: str) -> Fields:
        fields = {"text": item} if isinstance(item, str) else read_fields(item, path)
        if any(kind in fields for kind in _KINDS):
            self._extras.update({f"contents.{key}": fields[key] for key in fields.keys() - _PART})
        return fields

    def _read_call(self, value: Json, path: str, signature: Signature | None) -> ToolCall:
        fields = read_fields(value, path)
        name = as_text(fields.get("name"), f"{path}.name")
        call_id = as_text(fields.get("id", ""), f"{path}.id")
        if not call_id:
            call_id = new_call_id()
            self._made.add(call_id)
        self._waiting[call_id] = name
        return ToolCall(call_id, name, _write_object(fields.get("args", {}), f"{path}.args"), signature)

    def _read_result(self, value: Json, path: str) -> ToolResult:
        fields = read_fields(value, path)
        call_id, name = self._answer(
            as_text(fields.get("id", ""), f"{path}.id"), as_text(fields.get("name", ""), f"{path}.name")
        )
        if not name:
            raise wrong(f"{path}.name", "the name of the function that was called")
        text, is_error = _read_response(fields.get("response", {}), f"{path}.response")
        parts: list[_Shown] = [Text(text)]
        for index, item in enumerate(read_list(fields.get("parts", []), f"{path}.parts")):
            where = f"{path}.parts[{index}]"
            parts.append(_read_shown(read_fields(item, where), item, where))
        self._extras.update({f"contents.{key}": fields[key] for key in fields.keys() - _RESULT})
        return ToolResult(call_id, tuple(parts), name, is_error)

    def _answer(self, call_id: str, name: str) -> tuple[str, str]:
        """The id and the name of the call that a result is for: the one of its id, else the next of its name."""
        if call_id in self._waiting:
            called = self._waiting.pop(call_id)
            return call_id, name or called
        for waiting, called in self._waiting.items():
            if called == name and (not call_id or waiting in self._made):
                del self._waiting[waiting]
                return waiting, name
        return call_id or new_call_id(), name


def _read_shown(fields: Fields, item: Json, path: str) -> _Shown:
    if "text" in fields:
        return Text(as_text(fields["text"], f"{path}.text"))
    if "inlineData" in fields:
        return read_inline(fields["inlineData"], f"{path}.inlineData")
    if "fileData" in fields:
        return read_file(fields["fileData"], f"{path}.fileData")
    if not fields:
        raise wrong(path, "an object with text, inlineData, fileData, functionCall or functionResponse")
    return Foreign(NAME, item)


def _read_response(response: Json, path: str) -> tuple[str, bool]:
    """What a function gave as text, and whether that is an error: the whole object, if it has no `output` or `error` alone."""
    text = _write_object(response, path)
    if len(response) == 1:
        [(key, value)] = response.items()
        if key == "error":
            return value if isinstance(value, str) else text, True
        if key in ("result", "output") and isinstance(value, str):
            return value, False
    return text, False


def _write_object(value: Json, path: str) -> str:
    if not isinstance(value, dict):
        raise wrong(path, "an object")
    try:
        return dumps(value).decode()
    except InvalidJson:
        raise wrong(path, "an object that nests less deeply") from None


def _think(parts: list[Part], text: str) -> None:
    last = parts[-1] if parts else None
    if isinstance(last, Reasoning) and last.signature is None and last.redacted is None:
        parts[-1] = Reasoning(last.text + text)
    elif text:
        parts.append(Reasoning(text))


def _sign(parts: list[Part], signature: Signature | None, *, redacted: bool) -> None:
    """The signature closes the reasoning before it; where there is none, it is a piece of reasoning without text."""
    last = parts[-1] if parts else None
    if signature is None:
        return
    if redacted:
        parts.append(Reasoning(redacted=signature))
    elif isinstance(last, Reasoning) and last.signature is None and last.redacted is None:
        parts[-1] = Reasoning(last.text, signature)
    else:
        parts.append(Reasoning(signature=signature))


def _show(parts: list[Part], shown: _Shown) -> None:
    last = parts[-1] if parts else None
    if not isinstance(shown, Text):
        parts.append(shown)
    elif isinstance(last, Text):
        parts[-1] = Text(last.text + shown.text)
    elif shown.text:
        parts.append(shown)
