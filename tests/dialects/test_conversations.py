"""Random conversations: what a dialect writes for a provider, it reads as the same from a client; whole and streamed come to the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.chat import (
    ChatRequest,
    Message,
    Part,
    Reasoning,
    Signature,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from app.core.events import (
    Completion,
    Event,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
)
from app.core.jsonio import dumps, loads
from app.core.usage import Usage
from app.dialects.dialect import About, Dialect
from app.dialects.registry import DIALECTS

MODELS = {
    "openai": "gpt-5.1",
    "responses": "gpt-5.1",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-3-pro-preview",
    "ollama": "qwen3",
}
SIGNS_REASONING = ("responses", "anthropic")
EACH = pytest.mark.parametrize("dialect", [DIALECTS[name] for name in MODELS], ids=list(MODELS))

# Some dialects trim and some skip blank text, which no model and no user writes.
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "So")), min_size=1, max_size=8)
# A result that begins so says by itself that it is an error.
RESULTS = WORDS.filter(lambda text: not text.lower().startswith("error"))
NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
ARGUMENTS = st.dictionaries(NAMES, st.none() | st.integers(-9, 9) | WORDS | st.lists(WORDS, max_size=2), max_size=2)
SIGNED = st.from_regex(r"[A-Za-z0-9]{8,12}", fullmatch=True)


@st.composite
def conversations(draw: st.DrawFn, origin: str) -> tuple[Message, ...]:
    """A conversation with a provider of `origin`. Results come in any order, before whatever the user says next."""
    messages = [Message("system", (Text(draw(WORDS)),))] if draw(st.booleans()) else []
    count = 0
    for _ in range(draw(st.integers(1, 3))):
        messages.append(Message("user", (Text(draw(WORDS)),)))
        for _ in range(draw(st.integers(0, 2))):
            parts: list[Part] = []
            if origin in SIGNS_REASONING and draw(st.booleans()):
                parts.append(Reasoning(draw(WORDS), Signature(draw(SIGNED), origin)))
            if draw(st.booleans()):
                parts.append(Text(draw(WORDS)))
            calls = []
            for _ in range(draw(st.integers(1, 3))):
                signature = Signature(draw(SIGNED), origin) if origin == "gemini" and draw(st.booleans()) else None
                calls.append(ToolCall(f"call_{count}", draw(NAMES), json.dumps(draw(ARGUMENTS)), signature))
                count += 1
            messages.append(Message("assistant", (*parts, *calls)))
            results = [
                ToolResult(call.id, (Text(draw(RESULTS)),), call.name, is_error=draw(st.booleans()))
                for call in draw(st.permutations(calls))
            ]
            messages.append(Message("user", tuple(results)))
        messages.append(Message("assistant", (Text(draw(WORDS)),)))
    return (*messages, Message("user", (Text(draw(WORDS)),)))


@EACH
@settings(deadline=None, max_examples=120)
@given(st.data())
def test_conversation_that_is_written_is_read_as_the_same(dialect: Dialect, data: st.DataObject) -> None:
    messages = data.draw(conversations(dialect.name))
    tools = tuple({name: Tool(name) for name in called(messages)}.values())

    written = dialect.write_request(ChatRequest(messages, tools=tools), MODELS[dialect.name], False)
    again = dialect.read_request(loads(dumps(written.payload)))

    assert written.unsupported == ()
    assert told(again.messages) == told(messages)
    assert {tool.name for tool in again.tools if isinstance(tool, Tool)} == set(called(messages))


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """A reply of any provider: signed by somebody, or by nobody."""
    events: list[Event] = [Started("resp_1", "m", 1)]
    if draw(st.booleans()):
        events += [ReasoningDelta(piece) for piece in draw(st.lists(WORDS, min_size=1, max_size=3))]
        if draw(st.booleans()):
            events.append(ReasoningSigned(Signature(draw(SIGNED), draw(st.sampled_from(sorted(MODELS))))))
    events += [TextDelta(piece) for piece in draw(st.lists(WORDS, max_size=4))]
    calls = draw(st.integers(0, 3))
    for index in range(calls):
        arguments = json.dumps(draw(ARGUMENTS))
        at = draw(st.integers(0, len(arguments)))
        events.append(ToolCallStarted(index, f"call_{index}", draw(NAMES)))
        events += [ToolCallDelta(index, piece) for piece in (arguments[:at], arguments[at:]) if piece]
    return [*events, Finished("tool_calls" if calls else "stop", Usage(input=5, output=7))]


@EACH
@settings(deadline=None, max_examples=120)
@given(answers(), st.sets(st.integers(1, 2000), max_size=8))
def test_stream_comes_to_the_whole_reply_in_any_pieces(dialect: Dialect, events: list[Event], cuts: set[int]) -> None:
    about = About("req_1", "m", 1, wants_usage=True, payload={})
    writer, reader = dialect.write_stream(about), dialect.read_stream()
    stream = b"".join(writer.write(event) for event in events)

    places = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True)]
    read = [event for piece in pieces for event in reader.feed(piece)]
    read += [] if reader.ended else reader.close(certain=True)

    whole = fold(dialect.read_reply(loads(dumps(dialect.write_reply(fold(events), about)))))
    assert gist(fold(read)) == gist(whole) == gist(fold(events))


def called(messages: tuple[Message, ...]) -> list[str]:
    return [part.name for message in messages for part in message.parts if isinstance(part, ToolCall)]


def told(messages: tuple[Message, ...]) -> list[Any]:
    """What a conversation says. That a result is an error may be said by its first word; a proof goes with its part."""
    said: list[Any] = []
    for message in messages:
        for part in message.parts:
            match part:
                case Text():
                    said.append((message.role, part.text))
                case Reasoning():
                    said.append(("thinks", part.text, part.signature))
                case ToolCall():
                    signature = None if part.signature and part.signature.value.startswith("skip_") else part.signature
                    said.append(("calls", part.id, part.name, json.loads(part.arguments), signature))
                case ToolResult():
                    text = "".join(inner.text for inner in part.parts if isinstance(inner, Text))
                    is_error = part.is_error or text.startswith("Error: ")
                    said.append(("gives", part.call_id, text.removeprefix("Error: "), is_error))
    return said


def gist(completion: Completion) -> Any:
    calls = [(call.id, call.name, json.loads(call.arguments)) for call in completion.tool_calls]
    return completion.reasoning, completion.text, calls, completion.reason, completion.usage.total
