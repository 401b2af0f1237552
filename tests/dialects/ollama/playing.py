"""What the tests of this dialect share: a stream fed in pieces, what a reply is written about, replies made by chance."""

import base64
import json
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from app.core.chat import Image, Reasoning, Signature, Text, ToolCall
from app.core.events import (
    Citation,
    Completion,
    Event,
    Finished,
    FinishReason,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.dialects.dialect import About, EventWriter
from app.dialects.ollama.stream import StreamReader
from tests.usages import usages_of

# The machine may be busy with other things.
UNHURRIED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

ABOUT = About(call_id="req_1", model="asked", created=1_700_000_000, wants_usage=True, payload={})
CREATED_AT = "2023-11-14T22:13:20Z"


def read_in(pieces: list[bytes], *, certain: bool = True) -> list[Event]:
    """All events of a stream that comes in these pieces."""
    reader = StreamReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close(certain=certain)


def written_by(writer: EventWriter, events: list[Event]) -> bytes:
    """The stream that a client gets."""
    return b"".join([writer.write(event) for event in events])


def lines_of(stream: bytes) -> list[dict[str, Any]]:
    """The objects of a stream, each of which has a line."""
    assert stream.endswith(b"\n")
    return [json.loads(line) for line in stream.decode().split("\n")[:-1]]


def cut(body: bytes, size: int) -> list[bytes]:
    """`body` in pieces of `size` bytes."""
    return [body[start : start + size] for start in range(0, len(body), size)]


def without_ids(events: list[Event]) -> list[Event]:
    """The same events where ids were made by chance."""
    return [replace(event, id="") if isinstance(event, ToolCallStarted) else event for event in events]


WORDS = st.text(min_size=1, max_size=12)
OPAQUE = st.text("abcXYZ019+/=", min_size=1, max_size=12)
SIGNATURES = st.builds(Signature, OPAQUE, st.sampled_from(["ollama", "anthropic", "gemini"]))
JSON_OBJECTS = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)
ARGUMENTS = JSON_OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")))
IMAGES = st.builds(
    lambda start, data: Image(data=base64.b64encode(start[0] + data).decode(), media_type=start[1]),
    st.sampled_from(
        [
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF....WEBP", "image/webp"),
            (b"BM", "image/jpeg"),
        ]
    ),
    st.binary(max_size=20),
)
CITATIONS = st.lists(
    st.builds(
        Citation,
        WORDS,
        title=st.none() | WORDS,
        text=st.none() | WORDS,
        start=st.none() | st.integers(0, 99),
        end=st.none() | st.integers(0, 99),
    ),
    max_size=3,
)
USAGES = usages_of(input=st.integers(0, 2**40), output=st.integers(1, 2**40))
CREATED = st.integers(1, 253402300799)


def _reasons(calls: int) -> st.SearchStrategy[FinishReason]:
    """Ollama says "stop" of a reply with tool calls: that it was for them is told by their being there."""
    usual: FinishReason = "tool_calls" if calls else "stop"
    return st.sampled_from([usual, "length", "content_filter", "refusal", "pause"])


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    """Streams of all that the dialect can tell: sources last, of usage only what is read and what is written."""
    events: list[Event] = [Started(model=draw(WORDS), created=draw(CREATED))]
    calls = 0
    for kind in draw(
        st.lists(st.sampled_from(["text", "thinking", "signed", "redacted", "call", "image"]), max_size=8)
    ):
        match kind:
            case "text":
                events.append(TextDelta(draw(WORDS)))
            case "thinking":
                events.append(ReasoningDelta(draw(WORDS)))
            case "signed":
                events.append(ReasoningSigned(draw(SIGNATURES)))
            case "redacted":
                events.append(ReasoningSigned(draw(SIGNATURES), redacted=True))
            case "image":
                events.append(ImageMade(draw(IMAGES)))
            case "call":
                signature = draw(st.none() | SIGNATURES)
                events.append(ToolCallStarted(calls, f"call_{calls}", draw(WORDS), signature))
                events.append(ToolCallDelta(calls, draw(ARGUMENTS)))
                calls += 1
    events += draw(CITATIONS)
    return [*events, Finished(draw(_reasons(calls)), draw(st.none() | USAGES))]


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    """Whole replies of all that the dialect can tell: one piece of readable thinking, in its order."""
    parts: list[Any] = draw(st.lists(st.builds(Reasoning, WORDS, st.none() | SIGNATURES), max_size=1))
    parts += [Reasoning(redacted=signature) for signature in draw(st.lists(SIGNATURES, max_size=2))]
    parts += draw(st.lists(st.builds(Text, WORDS), max_size=1))
    parts += draw(st.lists(IMAGES, max_size=2))
    calls = draw(st.integers(0, 3))
    parts += [
        ToolCall(f"call_{index}", draw(WORDS), draw(ARGUMENTS), signature=draw(st.none() | SIGNATURES))
        for index in range(calls)
    ]
    return Completion(
        id=None,
        model=draw(WORDS),
        created=draw(CREATED),
        parts=tuple(parts),
        citations=tuple(draw(CITATIONS)),
        reason=draw(_reasons(calls)),
        usage=draw(USAGES),
    )
