"""Messages written as `contents` for a provider: by turns, results under the names of their calls, signatures in their places."""

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
    call_names,
)
from app.core.errors import InvalidRequest
from app.core.jsonio import InvalidJson, Json, loads
from app.dialects.gemini.media import write_media
from app.dialects.gemini.models import Traits
from app.dialects.gemini.signatures import NAME

# What Google gives out for calls that were made elsewhere (https://ai.google.dev/gemini-api/docs/thought-signatures, FAQ).
NO_SIGNATURE = "skip_thought_signature_validator"

_SHOWN_IN_RESULTS = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})

_Written = dict[str, Json]


def write_turns(messages: Sequence[Message], traits: Traits, unsupported: list[str]) -> tuple[list[Json], list[Json]]:
    """The parts of the system instruction, and the contents.

    Raises:
        InvalidRequest: the arguments of a call are no JSON object.
    """
    writing = _Writing(call_names(messages), traits, unsupported)
    for message in messages:
        writing.take(message)
    return writing.done()


class _Writing:
    def __init__(self, names: Mapping[str, str], traits: Traits, unsupported: list[str]) -> None:
        self._names = names
        self._traits = traits
        self._unsupported = unsupported
        self._system: list[Json] = []
        self._contents: list[_Written] = []

    def take(self, message: Message) -> None:
        if message.name is not None:
            self._unsupported.append("messages.name")
        if message.role == "system":
            self._take_system(message)
            return
        role = "user" if message.role == "user" else "model"
        parts = self._write_parts(message.parts)
        if parts and self._contents and self._contents[-1]["role"] == role:
            self._contents[-1]["parts"] += parts
        elif parts:
            self._contents.append({"role": role, "parts": parts})

    def done(self) -> tuple[list[Json], list[Json]]:
        if not self._contents and self._system:
            # The API wants contents; a conversation of other APIs may be of instructions alone.
            return [], [{"role": "user", "parts": self._system}]
        for content in self._contents:
            if content["role"] == "user":
                # The answer to calls begins with their results.
                content["parts"].sort(key=lambda part: "functionResponse" not in part)
        if self._traits.signed_calls:
            self._sign_current_turn()
        return self._system, list(self._contents)

    def _take_system(self, message: Message) -> None:
        for part in message.parts:
            if isinstance(part, Text):
                self._system += self._write_part(part)
            else:
                self._unsupported.append(f"system.{type(part).__name__.lower()}")

    def _write_parts(self, parts: Sequence[Part]) -> list[_Written]:
        """The parts of one message. A signature of reasoning goes on the text or picture after it, where the API puts it."""
        written: list[_Written] = []
        loose: tuple[str, _Written | None] | None = None
        for part in parts:
            pieces = self._write_part(part)
            if loose is not None and (pieces or isinstance(part, Reasoning)):
                _sign(written, *loose, pieces[0] if pieces and isinstance(part, Text | Image) else None)
                loose = None
            written += pieces
            if isinstance(part, Reasoning) and part.signature is not None and part.signature.origin == NAME:
                loose = (part.signature.value, pieces[0] if pieces else None)
        if loose is not None:
            _sign(written, *loose, None)
        return written

    def _write_part(self, part: Part) -> list[_Written]:
        if getattr(part, "cache", None) is not None:
            self._unsupported.append("cache_control")
        match part:
            case Text() | Refusal():
                return [{"text": part.text}] if part.text else []
            case Image() | Document() | Audio():
                shown = write_media(part, self._unsupported)
                return [] if shown is None else [shown]
            case Reasoning():
                return [{"text": part.text, "thought": True}] if part.text else []
            case ToolCall():
                return [self._write_call(part)]
            case ToolResult():
                return self._write_result(part)
            case Foreign(dialect, value) if dialect == NAME:
                return [dict(value)]
            case Foreign(dialect, value):
                kind = value.get("type") if isinstance(value, dict) else None
                self._unsupported.append(kind if isinstance(kind, str) else f"{dialect} content")
                return []

    def _write_call(self, call: ToolCall) -> _Written:
        try:
            arguments = loads(call.arguments or "{}")
        except InvalidJson:
            arguments = None
        if not isinstance(arguments, dict):
            raise InvalidRequest(f"The arguments of the call of {call.name!r} must be a JSON object.", param="messages")
        written: _Written = {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}
        if call.signature is not None and call.signature.origin == NAME:
            written["thoughtSignature"] = call.signature.value
        return written

    def _write_result(self, result: ToolResult) -> list[_Written]:
        """A `functionResponse`, with its pictures in it where the model takes them there, else beside it."""
        texts: list[str] = []
        within: list[Json] = []
        beside: list[_Written] = []
        for part in result.parts:
            if isinstance(part, Text):
                texts.append(part.text)
                continue
            for shown in self._write_part(part):
                media_type = shown.get("inlineData", {}).get("mimeType")
                if "text" in shown:
                    texts.append(shown["text"])
                elif self._traits.signed_calls and media_type in _SHOWN_IN_RESULTS:
                    within.append(shown)
                else:
                    beside.append(shown)
        response: _Written = {
            "id": result.call_id,
            "name": result.name or self._names.get(result.call_id) or result.call_id,
            "response": _write_response("\n".join(texts), is_error=result.is_error),
        }
        if within:
            response["parts"] = within
        return [{"functionResponse": response}, *beside]

    def _sign_current_turn(self) -> None:
        """Let pass what the model is to have called since the user's last words: the first call of each step is looked at."""
        turn: list[_Written] = []
        for content in reversed(self._contents):
            if content["role"] == "user" and not any("functionResponse" in part for part in content["parts"]):
                break
            turn.append(content)
        for content in turn:
            first = next((part for part in content["parts"] if "functionCall" in part), None)
            if first is not None:
                first.setdefault("thoughtSignature", NO_SIGNATURE)


def _sign(written: list[_Written], signature: str, thought: _Written | None, following: _Written | None) -> None:
    """Put a signature on what follows, else on the thought that it closes, else on a part of its own."""
    signed = following or thought
    if signed is None:
        signed = {"text": ""}
        written.append(signed)
    signed["thoughtSignature"] = signature


def _write_response(text: str, *, is_error: bool) -> _Written:
    """What a function gave as an object: the text itself where it is one."""
    if is_error:
        return {"error": text}
    if text.lstrip().startswith("{"):
        try:
            value = loads(text)
        except InvalidJson:
            value = None
        if isinstance(value, dict):
            return value
    return {"result": text}
