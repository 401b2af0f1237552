"""Messages as Anthropic takes them: one system at the top, user and assistant by turns, no block that it refuses."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence

from app.core.chat import (
    Audio,
    Document,
    Foreign,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from app.core.errors import InvalidRequest
from app.core.jsonio import InvalidJson, Json, loads
from app.dialects.anthropic.names import NAME

_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_DATA_URL = re.compile(r"data:([^;,]*)[^,]*;base64,(.*)", re.DOTALL | re.IGNORECASE)
# The first characters of a picture in base64, for clients that do not say what it is.
_MAGIC = {"/9j/": "image/jpeg", "iVBORw": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp"}
# What a conversation begins with whose first message is the model's: the API wants one of the user, and not an empty one.
_NO_WORDS = "."

Block = Mapping[str, Json]


def write_messages(
    messages: Sequence[Message], unsupported: dict[str, None]
) -> tuple[list[Block], list[dict[str, Json]]]:
    """The blocks of the system, and the turns. What cannot be said is named in `unsupported`.

    Raises:
        InvalidRequest: the arguments of a tool call are no JSON object.
    """
    writing = _Writing(unsupported)
    system: list[Block] = []
    turns: list[dict[str, Json]] = []
    for message in messages:
        if message.name is not None:
            unsupported["name"] = None
        blocks = writing.blocks(message)
        if message.role == "system":
            system += blocks
        elif blocks and turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": message.role, "content": blocks})
    if not turns:
        system, turns = [], [{"role": "user", "content": system or [_text(_NO_WORDS)]}]
    elif turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [_text(_NO_WORDS)]})
    for turn in turns:
        if turn["role"] == "user":
            # "tool_result blocks must come first": else the calls before count as unanswered.
            turn["content"].sort(key=lambda block: block.get("type") != "tool_result")
    _trim_end(turns[-1])
    return system, turns


def write_system(blocks: list[Block]) -> Json:
    """The value of `system`: the text where it is one without a cache mark."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks


class _Writing:
    def __init__(self, unsupported: dict[str, None]) -> None:
        self._unsupported = unsupported

    def blocks(self, message: Message) -> list[Block]:
        written: list[Block] = []
        for part in message.parts:
            if isinstance(part, Reasoning):
                written += self._reasoning(part)
            elif (message.role != "user" and isinstance(part, Image | Document | ToolResult)) or (
                message.role == "system" and not isinstance(part, Text)
            ):
                self._miss(_called(part))
            elif block := self._block(part):
                written.append(block)
        return written

    def _block(self, part: Part) -> Block | None:
        match part:
            case Text() | Refusal():
                return self._cached(_text(part.text), part) if part.text.strip() else None
            case Image():
                return self._image(part)
            case Document():
                return self._document(part)
            case ToolCall():
                return {"type": "tool_use", "id": _id(part.id), "name": part.name, "input": _input(part)}
            case ToolResult():
                return self._result(part)
            case Foreign(value=dict() as value) if part.dialect == NAME:
                return value
            case _:
                self._miss(_called(part))
                return None

    def _reasoning(self, part: Reasoning) -> list[Block]:
        """Thinking goes back only to who has signed it."""
        written: list[Block] = []
        if part.signature is not None and part.signature.origin == NAME:
            written.append({"type": "thinking", "thinking": part.text, "signature": part.signature.value})
        elif part.text:
            self._miss("reasoning")
        if part.redacted is not None and part.redacted.origin == NAME:
            written.append({"type": "redacted_thinking", "data": part.redacted.value})
        return written

    def _image(self, part: Image) -> Block | None:
        if part.detail in ("low", "high"):
            self._miss("detail")
        data, media_type = _inline(part.data, part.media_type, part.url)
        if data is not None:
            media_type = media_type or next((kind for start, kind in _MAGIC.items() if data.startswith(start)), None)
            media_type = "image/jpeg" if media_type in (None, "image/jpg") else media_type
            source: Block = {"type": "base64", "media_type": media_type, "data": data}
        elif part.url is not None:
            source = {"type": "url", "url": part.url}
        else:
            self._miss(_called(part))
            return None
        return self._cached({"type": "image", "source": source}, part)

    def _document(self, part: Document) -> Block | None:
        source = _document_source(part)
        if source is None:
            self._miss(_called(part))
            return None
        block: dict[str, Json] = {"type": "document", "source": source}
        if part.name:
            block["title"] = part.name
        return self._cached(block, part)

    def _result(self, part: ToolResult) -> Block:
        block: dict[str, Json] = {"type": "tool_result", "tool_use_id": _id(part.call_id)}
        if content := [written for inner in part.parts if (written := self._block(inner)) is not None]:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return self._cached(block, part)

    def _cached(self, block: dict[str, Json], part: Text | Refusal | Image | Document | ToolResult) -> Block:
        if not isinstance(part, Refusal) and part.cache is not None:
            block["cache_control"] = part.cache
        return block

    def _miss(self, name: str) -> None:
        self._unsupported[name] = None


_CALLED: Mapping[type, str] = {
    Audio: "audio",
    Image: "images",
    Document: "documents",
    Refusal: "refusal",
    ToolCall: "tool_use",
    ToolResult: "tool_result",
}


def _called(part: Part) -> str:
    """What to call a part in a warning."""
    if not isinstance(part, Foreign):
        return _CALLED.get(type(part), "content")
    kind = part.value.get("type") if isinstance(part.value, dict) else None
    return kind if isinstance(kind, str) else f"{part.dialect} part"


def _text(text: str) -> dict[str, Json]:
    return {"type": "text", "text": text}


def _id(given: str) -> str:
    """`given`, or what stands for it where the API would refuse it; the same each time, so that results find their calls."""
    if _ID.fullmatch(given):
        return given
    return "toolu_" + hashlib.sha256(given.encode(errors="surrogatepass")).hexdigest()[:24]


def _input(call: ToolCall) -> Mapping[str, Json]:
    try:
        arguments = loads(call.arguments) if call.arguments.strip() else {}
    except InvalidJson:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(
            f"The arguments of the call {call.id!r} of {call.name!r} must be a JSON object.", param="messages"
        )
    return arguments


def _inline(data: str | None, media_type: str | None, url: str | None) -> tuple[str | None, str | None]:
    """The base64 text and its type, also of a `data:` URL."""
    if data is None and url is not None and (match := _DATA_URL.fullmatch(url)):
        return match[2], match[1] or media_type
    return data, media_type


def _document_source(part: Document) -> Block | None:
    data, media_type = _inline(part.data, part.media_type, part.url)
    if part.text is not None:
        return _plain(part.text)
    if data is not None and (media_type or "").startswith("text/"):
        try:
            return _plain(base64.b64decode(data).decode(errors="replace"))
        except (binascii.Error, ValueError):
            return None
    if data is not None:
        return {"type": "base64", "media_type": media_type, "data": data} if media_type == "application/pdf" else None
    if part.url is not None:
        return {"type": "url", "url": part.url}
    # OpenAI's ids begin with "file-", and mean nothing here.
    return {"type": "file", "file_id": part.file_id} if (part.file_id or "").startswith("file_") else None


def _plain(text: str) -> Block | None:
    return {"type": "text", "media_type": "text/plain", "data": text} if text.strip() else None


def _trim_end(turn: dict[str, Json]) -> None:
    """The API refuses words to go on with that end in white space."""
    last = turn["content"][-1]
    if turn["role"] == "assistant" and last.get("type") == "text":
        turn["content"][-1] = {**last, "text": last["text"].rstrip()}
