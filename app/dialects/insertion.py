"""A chat with one more message in it, before the last one of the user; all else stays as its client wrote it.

What is decoded and encoded again loses what only its own dialect has, such as cache marks, citations and the times of a
video. So the turns stay as they came, and only the new one is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.core.call import Call
from app.core.chat import ChatRequest, Message, Role, Text, ToolResult
from app.core.errors import RelayError
from app.core.jsonio import Json, dumps
from app.dialects.conversation import last_user_index
from app.dialects.dialect import Dialect
from app.dialects.registry import DIALECTS

Payload = Mapping[str, Json]


def with_message(call: Call, request: ChatRequest, text: str, role: Role) -> Call:
    """`call`, which asks `request`, with one more message before the last one of the user that has any text.

    A prompt has no messages: there the text stands before it. A system that stands apart from the turns is written anew.
    """
    dialect = DIALECTS[call.dialect]
    index = last_user_index(request.messages)
    if index is None:
        return call
    if dialect.client_only and dialect.form_of is None:
        prompt = f"{text}\n\n{request.messages[index].text}"
        return _with_payload(call, {**call.payload, "prompt": prompt})
    writer = DIALECTS[dialect.form_of] if dialect.form_of else dialect
    said = Message(role, (Text(text),))
    return _with_payload(
        call, _among_turns(call, request, index, said, writer) or _anew(call, request, index, said, writer)
    )


def _among_turns(call: Call, request: ChatRequest, index: int, said: Message, writer: Dialect) -> Payload | None:
    """With the turns as they came; None where they are no list, or where the message does not belong among them."""
    last = Message("user", (Text(request.messages[index].text),))
    alone, both = _write(call, writer, last), _write(call, writer, said, last)
    changed = [key for key in both if both[key] != alone.get(key)]
    key = changed[0] if len(changed) == 1 else ""
    turns, written = call.payload.get(key), both.get(key)
    if not isinstance(turns, list) or not isinstance(written, list) or not isinstance(alone.get(key), list):
        return None
    at = _turn_of(call.payload, key, turns, request.messages[index], writer)
    if at is None:
        return None
    if len(written) == 2:
        return {**call.payload, key: [*turns[:at], written[0], *turns[at:]]}
    turn = _joined(written[0], turns[at])
    return None if turn is None else {**call.payload, key: [*turns[:at], turn, *turns[at + 1 :]]}


def _turn_of(payload: Payload, key: str, turns: Sequence[Json], last: Message, dialect: Dialect) -> int | None:
    """Which of `turns` it is that was read as `last`; None where that cannot be told, or where it has a tool's result."""
    for at in range(len(turns) - 1, -1, -1):
        try:
            messages = dialect.read_request({**payload, key: [turns[at]]}).messages
        except RelayError:  # it is nothing without the turns before it
            continue
        index = last_user_index(messages)
        if index is not None:
            read = messages[index]
            has_result = any(isinstance(part, ToolResult) for part in read.parts)
            return at if read.text == last.text and not has_result else None
    return None


def _joined(written: Json, turn: Json) -> Json:
    """Where two turns of one role have to be one: `turn` with the new part first. `written` has that, and the text of `turn`."""
    if not isinstance(written, dict) or not isinstance(turn, dict):
        return None
    for name, parts in written.items():
        if isinstance(parts, list):
            own = turn.get(name)
            return {**turn, name: [parts[0], *own] if isinstance(own, list) else parts}
    return None


def _anew(call: Call, request: ChatRequest, index: int, said: Message, writer: Dialect) -> Payload:
    """With what changes written from what was read."""
    messages = request.messages
    more = (*messages[:index], said, *messages[index:])
    before = writer.write_request(request, call.name, call.streamed).payload
    after = writer.write_request(replace(request, messages=more), call.name, call.streamed).payload
    changed = {key: value for key, value in after.items() if key not in before or before[key] != value}
    # A key may be written in two ways, as in Gemini's API; what is written anew takes the place of both.
    kept = {key: value for key, value in call.payload.items() if _snake(key) not in map(_snake, changed)}
    return {**kept, **changed}


def _write(call: Call, writer: Dialect, *messages: Message) -> Payload:
    return writer.write_request(ChatRequest(messages), call.name, call.streamed).payload


def _with_payload(call: Call, payload: Payload) -> Call:
    return replace(call, payload=payload, body=dumps(payload))


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
