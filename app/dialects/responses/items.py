"""The items for a provider's `input`, written from messages."""

from collections.abc import Sequence
from dataclasses import replace

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
)
from app.core.jsonio import Json
from app.dialects.openai_models import shortened_id
from app.dialects.responses.parts import is_content, write_input
from app.dialects.responses.sealed import NAME

_MOST_ID_CHARACTERS = 64  # of a `call_id`: OpenAI refuses longer ones


def write_items(messages: Sequence[Message], *, breakpoints: bool) -> tuple[list[Json], list[str]]:
    """The items that say `messages`, and the names of what they cannot say. `breakpoints`: cache marks are written."""
    writing = _Writing(breakpoints)
    for message in messages:
        writing.take(message)
    return writing.items, writing.unsupported


class _Writing:
    def __init__(self, breakpoints: bool) -> None:
        self.items: list[Json] = []
        self.unsupported: list[str] = []
        self._breakpoints = breakpoints

    def take(self, message: Message) -> None:
        if message.name is not None:
            self.unsupported.append("name")
        content: list[Json] = []
        for part in message.parts:
            said = self._say(part, message.role)
            if said is not None:
                content.append(said)
                continue
            item = self._item(part)
            if item is None:
                self._miss(part)
                continue
            self._flush(message.role, content)
            self.items.append(item)
            content = []
        self._flush(message.role, content)

    def _say(self, part: Part, role: Role) -> Json:
        if role != "assistant":
            return write_input(part, breakpoints=self._breakpoints)
        match part:
            case Text() if part.text:
                return {"type": "output_text", "text": part.text}
            case Refusal():
                return {"type": "refusal", "refusal": part.text}
        return None

    def _item(self, part: Part) -> Json:
        match part:
            case ToolCall():
                return {
                    "type": "function_call",
                    "call_id": _id(part.id),
                    "name": part.name,
                    "arguments": part.arguments,
                }
            case ToolResult():
                return {"type": "function_call_output", "call_id": _id(part.call_id), "output": self._output(part)}
            case Reasoning():
                return _write_reasoning(part)
            case Foreign() if part.dialect == NAME and not is_content(part):
                return part.value
        return None

    def _output(self, result: ToolResult) -> Json:
        written: list[Json] = []
        for part in _telling_of_error(result) if result.is_error else result.parts:
            said = write_input(part, breakpoints=self._breakpoints)
            if said is None:
                self._miss(part)
            else:
                written.append(said)
        return _shortened(written)

    def _flush(self, role: Role, content: list[Json]) -> None:
        if content:
            # OpenRouter takes parts of an assistant's message only with the ids that it gave them itself; a string always.
            self.items.append({"type": "message", "role": role, "content": _shortened(content)})

    def _miss(self, part: Part) -> None:
        match part:
            case Image():
                self.unsupported.append("images")
            case Document():
                self.unsupported.append("documents")
            case Audio():
                self.unsupported.append("audio")
            case Foreign():
                kind = part.value.get("type") if isinstance(part.value, dict) else None
                self.unsupported.append(kind if isinstance(kind, str) else part.dialect)


def _id(call_id: str) -> str:
    return shortened_id(call_id, _MOST_ID_CHARACTERS)


def _telling_of_error(result: ToolResult) -> tuple[Part, ...]:
    """The parts of a result that is an error: there is no other place to say so."""
    first = result.parts[0] if result.parts else None
    if not isinstance(first, Text):
        return (Text("Error"), *result.parts)
    if first.text.lower().startswith("error"):
        return result.parts
    return (replace(first, text=f"Error: {first.text}"), *result.parts[1:])


def _shortened(content: list[Json]) -> Json:
    """The text itself where there is nothing else."""
    if not content:
        return ""
    plain = len(content) == 1 and content[0].keys() == {"type", "text"}
    return content[0]["text"] if plain else content


def _write_reasoning(part: Reasoning) -> dict[str, Json] | None:
    """The item, where it is sealed by a provider of this dialect: the API refuses reasoning that it did not write."""
    own = part.signature or part.redacted
    if own is None or own.origin != NAME:
        return None
    # Ids of other APIs would be refused too.
    name = {"id": part.id} if part.id and part.id.startswith("rs_") else {}
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    return {"type": "reasoning", **name, "summary": summary, "encrypted_content": own.value}
