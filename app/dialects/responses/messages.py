"""The messages of a request, read from the items of its `input`.

What stays behind, since only the API that made it can use it: the `id`, `status` and `phase` of messages, the `id` of calls.
"""

from collections.abc import Mapping
from typing import Literal

from app.core.chat import Foreign, Message, Part, Reasoning, Role, Signature, Text, ToolCall, ToolResult
from app.core.jsonio import Json
from app.dialects.fields import as_object, as_text, wrong
from app.dialects.responses.fields import find_text, read_list
from app.dialects.responses.parts import read_content, read_output
from app.dialects.responses.sealed import NAME, unseal

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}


def read_input(value: Json) -> tuple[Message, ...]:
    """The messages of a request's `input`: neighbouring items of the model are one, and neighbouring results of tools.

    Raises:
        InvalidRequest: with the item's path as `param`.
    """
    if isinstance(value, str):
        return (Message("user", (Text(value),)),)
    if not isinstance(value, list):
        raise wrong("input", "a string or a list of items")
    reading = _Reading()
    for index, item in enumerate(value):
        param = f"input[{index}]"
        reading.take(as_object(item, param), param)
    return reading.done()


def is_reference(item: Mapping[str, Json]) -> bool:
    """Whether `item` stands for one that the provider keeps; `type` may be left out then."""
    return item.get("type") == "item_reference" or (
        item.get("type") is None and item.get("role") is None and isinstance(item.get("id"), str)
    )


class _Reading:
    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._open: Literal["assistant", "results"] | None = None
        self._parts: list[Part] = []
        self._names: dict[str, str] = {}
        self._call_signature: Signature | None = None

    def take(self, item: Mapping[str, Json], param: str) -> None:
        kind = find_text(item, "type", f"{param}.")
        if kind is None and is_reference(item):
            kind = "item_reference"
        match kind:
            case None | "message":
                self._take_message(item, param)
            case "reasoning":
                self._take_reasoning(item, param)
            case "function_call":
                self._take_call(item, param)
            case "function_call_output":
                self._take_result(item, param)
            case _:
                # What a client gives is the output of a call, or its consent to one; all else is the model's.
                given = kind.endswith("_output") or kind == "mcp_approval_response"
                self._add("results" if given else "assistant", Foreign(NAME, {**item, "type": kind}))

    def done(self) -> tuple[Message, ...]:
        self._close()
        return tuple(self._messages)

    def _take_message(self, item: Mapping[str, Json], param: str) -> None:
        role = _ROLES.get(as_text(item.get("role"), f"{param}.role"))
        if role is None:
            raise wrong(f"{param}.role", "one of 'user', 'assistant', 'system' and 'developer'")
        parts = read_content(item.get("content"), f"{param}.content")
        if role == "assistant":
            self._add("assistant", *parts)
        else:
            self._close()
            self._messages.append(Message(role, tuple(parts)))

    def _take_reasoning(self, item: Mapping[str, Json], param: str) -> None:
        texts = [
            as_text(as_object(piece, f"{param}.{key}[{index}]").get("text"), f"{param}.{key}[{index}].text")
            for key in ("summary", "content")
            for index, piece in enumerate(read_list(item.get(key), f"{param}.{key}"))
        ]
        text, name = "\n\n".join(texts), find_text(item, "id", f"{param}.")
        encrypted = find_text(item, "encrypted_content", f"{param}.")
        if encrypted is None:
            self._add("assistant", Reasoning(text, id=name))
            return
        sealed = unseal(encrypted)
        match sealed.of:
            case "reasoning":
                self._add("assistant", Reasoning(text, sealed.signature, id=name))
            case "redacted":
                self._add("assistant", Reasoning(text, redacted=sealed.signature, id=name))
            case "call":
                self._call_signature = sealed.signature

    def _take_call(self, item: Mapping[str, Json], param: str) -> None:
        call = ToolCall(
            id=as_text(item.get("call_id"), f"{param}.call_id"),
            name=as_text(item.get("name"), f"{param}.name"),
            arguments=as_text(item.get("arguments"), f"{param}.arguments") or "{}",
            signature=self._call_signature,
        )
        self._call_signature = None
        self._names[call.id] = call.name
        self._add("assistant", call)

    def _take_result(self, item: Mapping[str, Json], param: str) -> None:
        call_id = as_text(item.get("call_id"), f"{param}.call_id")
        name = find_text(item, "name", f"{param}.") or self._names.get(call_id)
        self._add("results", ToolResult(call_id, read_output(item.get("output"), f"{param}.output"), name=name))

    def _add(self, kind: Literal["assistant", "results"], *parts: Part) -> None:
        if self._open != kind:
            self._close()
            self._open = kind
        self._parts.extend(parts)

    def _close(self) -> None:
        if self._open is not None:
            role: Role = "assistant" if self._open == "assistant" else "user"
            self._messages.append(Message(role, tuple(self._parts)))
        self._open, self._parts = None, []
