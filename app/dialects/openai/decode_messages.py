"""The messages of a chat request as canonical ones."""

from app.core.chat import Foreign, Message, Part, Reasoning, Refusal, Signature, ToolCall, ToolResult
from app.core.jsonio import Json
from app.dialects.fields import as_object, wrong
from app.dialects.openai.call_signature import make_call_id, read_call_signature
from app.dialects.openai.decode_content import read_content, read_image_part, read_part
from app.dialects.openai.fields import Fields, need_object, need_text, read_list, read_object, read_text
from app.dialects.openai.reasoning import read_details


def read_messages(messages: Json) -> tuple[Message, ...]:
    """All messages in their order; results of tools that follow each other are one `user` message.

    Raises:
        InvalidRequest: one of them is none.
    """
    if not isinstance(messages, list) or not messages:
        raise wrong("messages", "a list of at least one message")
    reading = _Reading()
    for index, message in enumerate(messages):
        reading.take(as_object(message, f"messages[{index}]"), f"messages[{index}]")
    return tuple(reading.done())


class _Reading:
    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._results: list[Part] = []
        self._names: dict[str, str] = {}
        self._nameless: list[ToolCall] = []  # calls to which the client gave no id, and that have no result yet
        self._foreign: set[str] = set()

    def take(self, message: Fields, where: str) -> None:
        role = message.get("role")
        if role in ("tool", "function"):
            self._results.append(self._read_result(message, where))
            return
        self._close_results()
        name = read_text(message, "name", where)
        if role in ("system", "developer"):
            self._messages.append(Message("system", read_content(message, where), name))
        elif role == "user":
            self._messages.append(Message("user", read_content(message, where), name))
        elif role == "assistant":
            self._messages.append(Message("assistant", self._read_answer(message, where), name))
        else:
            raise wrong(f"{where}.role", "one of system, developer, user, assistant, tool and function")

    def done(self) -> list[Message]:
        self._close_results()
        return self._messages

    def _close_results(self) -> None:
        if self._results:
            self._messages.append(Message("user", tuple(self._results)))
            self._results = []

    def _read_answer(self, message: Fields, where: str) -> tuple[Part, ...]:
        parts: list[Part] = [*_read_reasoning(message, where), *_read_answer_content(message, where)]
        if refusal := read_text(message, "refusal", where):
            parts.append(Refusal(refusal))
        for index, image in enumerate(read_list(message, "images", where)):
            path = f"{where}.images[{index}]"
            parts.append(read_image_part(as_object(image, path), path))
        if message.get("audio") is not None:
            parts.append(Foreign("openai", {"type": "audio", "audio": message["audio"]}))
        for index, call in enumerate(read_list(message, "tool_calls", where)):
            path = f"{where}.tool_calls[{index}]"
            parts.append(self._read_call(as_object(call, path), path))
        if (legacy := read_object(message, "function_call", where)) is not None:
            parts.append(self._read_function(legacy, f"{where}.function_call", None, None))
        return tuple(_with_proofs_of_calls(parts))

    def _read_call(self, call: Fields, where: str) -> ToolCall | Foreign:
        call_id = read_text(call, "id", where) or None
        if (read_text(call, "type", where) or "function") != "function":
            if call_id is not None:
                self._foreign.add(call_id)
            return Foreign("openai", call)
        function = need_object(call, "function", where)
        return self._read_function(function, f"{where}.function", call_id, read_call_signature(call))

    def _read_function(
        self, function: Fields, where: str, call_id: str | None, signature: Signature | None
    ) -> ToolCall:
        arguments = read_text(function, "arguments", where)
        call = ToolCall(call_id or make_call_id(), need_text(function, "name", where), arguments or "{}", signature)
        self._names[call.id] = call.name
        if call_id is None:
            self._nameless.append(call)
        return call

    def _read_result(self, message: Fields, where: str) -> Part:
        call_id = read_text(message, "tool_call_id", where)
        if call_id in self._foreign:
            return Foreign("openai", message)
        name = read_text(message, "name", where)
        call_id = call_id or self._find_nameless(name)
        if call_id is None:
            raise wrong(f"{where}.tool_call_id", "the id of a tool call")
        parts = () if message.get("content") is None else read_content(message, where)
        return ToolResult(call_id, parts, name or self._names.get(call_id))

    def _find_nameless(self, name: str | None) -> str | None:
        """The id that we gave to the first call without one that the result may belong to."""
        for call in self._nameless:
            if name in (None, call.name):
                self._nameless.remove(call)
                return call.id
        return None


def _read_answer_content(message: Fields, where: str) -> list[Part]:
    content = message.get("content")
    if content is None:
        return []
    if not isinstance(content, list):
        return [*read_content(message, where)]
    parts: list[Part] = []
    for index, item in enumerate(content):
        path = f"{where}.content[{index}]"
        part = as_object(item, path)
        if part.get("type") == "refusal":
            parts.append(Refusal(need_text(part, "refusal", path)))
        elif part != {"type": "text", "text": ""}:
            parts.append(read_part(part, path))
    return parts


def _read_reasoning(message: Fields, where: str) -> list[Reasoning]:
    pieces = read_details(read_list(message, "reasoning_details", where))
    if any(piece.text for piece in pieces):
        return pieces
    text = read_text(message, "reasoning_content", where) or read_text(message, "reasoning", where)
    if not text:
        return pieces
    if pieces and pieces[0].redacted is None:
        return [Reasoning(text, pieces[0].signature, id=pieces[0].id), *pieces[1:]]
    return [Reasoning(text), *pieces]


def _with_proofs_of_calls(parts: list[Part]) -> list[Part]:
    """OpenRouter keeps Gemini's proof of a tool call among the reasoning, under the call's id."""
    calls = {part.id for part in parts if isinstance(part, ToolCall)}
    proofs = {
        part.id: part.signature
        for part in parts
        if isinstance(part, Reasoning) and part.id in calls and part.signature and not part.text
    }
    if not proofs:
        return parts
    return [
        ToolCall(part.id, part.name, part.arguments, proofs[part.id])
        if isinstance(part, ToolCall) and part.id in proofs
        else part
        for part in parts
        if not (isinstance(part, Reasoning) and part.id in proofs)
    ]
