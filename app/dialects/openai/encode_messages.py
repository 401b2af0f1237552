"""Canonical messages as those of a chat request."""

import base64
import binascii
from collections.abc import Iterable, Sequence

from app.core.chat import (
    Audio,
    Document,
    Foreign,
    Image,
    Message,
    Part,
    Refusal,
    Signature,
    Text,
    ToolCall,
    ToolResult,
    call_names,
)
from app.core.jsonio import Json
from app.dialects.openai.call_signature import takes_proofs, write_call_signature
from app.dialects.openai.media import write_audio, write_file, write_image
from app.dialects.openai_models import shortened_id

_MOST_ID_CHARACTERS = 40  # of a call's id: OpenAI refuses longer ones


class Unsupported:
    """The names of what could not be said, in the order in which they were met, each once."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, name: str) -> None:
        """Note `name`."""
        self._names[name] = None

    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self._names)


def write_messages(messages: Sequence[Message], model: str, unsupported: Unsupported) -> list[Json]:
    """The messages for a provider that calls the model `model`.

    Left out are cache marks, where the provider caches by itself, and the reasoning of earlier turns: most servers of this
    dialect take none, and some refuse a message that has it.
    """
    writing = _Writing(messages, model, unsupported)
    for message in messages:
        writing.add(message)
    return writing.done()


def takes_cache_marks(model: str) -> bool:
    """Whether the provider may be given cache marks: OpenRouter takes them for Anthropic's models, which cache nothing without."""
    return model.lower().startswith("anthropic/")


class _Writing:
    def __init__(self, messages: Sequence[Message], model: str, unsupported: Unsupported) -> None:
        self._unsupported = unsupported
        self._names = call_names(messages)
        self._marked = takes_cache_marks(model)
        self._signed = takes_proofs(model)
        self._messages: list[Json] = []
        self._waiting: list[Json] = []  # parts that only a user's message can hold

    def add(self, message: Message) -> None:
        if message.role == "system":
            self._say("system", self._write_parts(message.parts), message.name)
        elif message.role == "assistant":
            self._add_answer(message)
        else:
            self._add_user(message)

    def done(self) -> list[Json]:
        if self._waiting:
            self._say("user", self._take_waiting())
        return self._messages

    def _say(self, role: str, parts: list[Json], name: str | None = None) -> None:
        said: dict[str, Json] = {"role": role, "content": _content(parts)}
        if name is not None:
            said["name"] = name
        self._messages.append(said)

    def _add_user(self, message: Message) -> None:
        """Results first: they have to follow their calls at once, so that what belongs to them waits for the last of them."""
        rest: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._add_result(part)
            elif isinstance(part, Foreign) and part.dialect == "openai" and part.value.get("role") == "tool":
                self._messages.append(part.value)
            else:
                rest.append(part)
        if rest or not message.parts:
            self._say("user", self._take_waiting() + self._write_parts(rest), message.name)

    def _add_result(self, result: ToolResult) -> None:
        name = result.name or self._names.get(result.call_id) or result.call_id
        texts: list[str] = []
        shown: list[Json] = []
        for part in self._write_parts(result.parts):
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                what = {"image_url": "Image", "input_audio": "Audio"}.get(part["type"], "File")
                shown += [_text(f"{what} from tool {name}:"), part]
        text = "\n\n".join(texts)
        if shown and not text:
            text = "What it gave follows in the next message of the user."
        if result.is_error and not text.lower().startswith("error"):
            text = f"Error: {text}" if text else "Error"
        self._messages.append({"role": "tool", "tool_call_id": _id(result.call_id), "content": text})
        self._waiting += shown

    def _add_answer(self, message: Message) -> None:
        if self._waiting:
            self._say("user", self._take_waiting())
        said: dict[str, Json] = {"role": "assistant"}
        if message.name is not None:
            said["name"] = message.name
        texts = [part.text for part in message.parts if isinstance(part, Text)]
        refusals = [part.text for part in message.parts if isinstance(part, Refusal)]
        calls = [call for part in message.parts if (call := self._write_call(part)) is not None]
        # Joined without a break, as deltas are: some APIs cut the text of an answer where a source is quoted.
        said["content"] = "".join(texts) if texts or not (calls or refusals) else None
        if refusals:
            said["refusal"] = "".join(refusals)
        if calls:
            said["tool_calls"] = calls
        for part in message.parts:
            self._add_odd(part, said)
        self._messages.append(said)

    def _add_odd(self, part: Part, said: dict[str, Json]) -> None:
        """What an assistant's message has no place for: pictures that it made are shown again by the user."""
        if isinstance(part, Image) and (shown := write_image(part)) is not None:
            self._waiting += [_text("Image that you made:"), shown]
        elif isinstance(part, Document | Audio | Image):
            self._unsupported.add(_kind(part))
        elif isinstance(part, Foreign) and part.dialect == "openai" and "audio" in part.value:
            said["audio"] = part.value["audio"]
        elif isinstance(part, Foreign) and not _is_call(part):
            self._unsupported.add(_foreign_name(part))

    def _write_call(self, part: Part) -> Json:
        if isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": part.arguments}
            return {"id": _id(part.id), "type": "function", "function": function} | self._proof(part.signature)
        return part.value if isinstance(part, Foreign) and _is_call(part) else None

    def _proof(self, signature: Signature | None) -> dict[str, Json]:
        if signature is None or signature.origin != "gemini" or not self._signed:
            return {}
        return write_call_signature(signature)

    def _write_parts(self, parts: Iterable[Part]) -> list[Json]:
        written = []
        for part in parts:
            item = self._write_part(part)
            if item is None:
                self._unsupported.add(_kind(part))
                continue
            cache = getattr(part, "cache", None)
            written.append({**item, "cache_control": cache} if self._marked and cache is not None else item)
        return written

    def _write_part(self, part: Part) -> dict[str, Json] | None:
        match part:
            case Text():
                return _text(part.text)
            case Image():
                return write_image(part)
            case Audio():
                return write_audio(part)
            case Document():
                text = _text_of(part)
                return write_file(part) if text is None else _text(text)
            case Foreign(dialect="openai", value=value):
                return dict(value)
        return None

    def _take_waiting(self) -> list[Json]:
        waiting, self._waiting = self._waiting, []
        return waiting


def _id(call_id: str) -> str:
    return shortened_id(call_id, _MOST_ID_CHARACTERS)


def _content(parts: list[Json]) -> Json:
    """Text alone is one string, which servers understand that know no parts."""
    if all(part.keys() == {"type", "text"} and part["type"] == "text" for part in parts):
        return "\n\n".join([part["text"] for part in parts])
    return parts


def _is_call(part: Foreign) -> bool:
    """Whether it is the call of a tool that is no function."""
    return part.dialect == "openai" and "id" in part.value


def _text(text: str) -> dict[str, Json]:
    return {"type": "text", "text": text}


def _text_of(document: Document) -> str | None:
    """What a document says that is nothing but text: as text it is understood where files are not."""
    text = document.text
    if text is None and document.data is not None and (document.media_type or "").startswith("text/"):
        try:
            text = base64.b64decode(document.data).decode()
        except (binascii.Error, ValueError):
            return None
    return text if text is None or document.name is None else f"{document.name}:\n{text}"


def _kind(part: Part) -> str:
    match part:
        case Image():
            return "images"
        case Document():
            return "documents"
        case Audio():
            return "audio"
        case Foreign():
            return _foreign_name(part)
    return type(part).__name__.lower()


def _foreign_name(part: Foreign) -> str:
    kind = part.value.get("type") if isinstance(part.value, dict) else None
    return kind if isinstance(kind, str) else f"{part.dialect} part"
