"""The stream and the whole reply for a client: their grammar, and that they say again what was said."""

import json
from dataclasses import replace
from typing import Any

import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.chat import Image, Signature
from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    FinishReason,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
    merge,
)
from app.core.usage import Usage
from app.dialects.anthropic.reply import read_reply, write_reply
from app.dialects.anthropic.request import read_request
from app.dialects.anthropic.writer import MessageWriter
from tests.dialects.anthropic.saying import ABOUT, by_gateway, by_sdk, check_events, read, sdk_stream
from tests.usages import usages_of

BEGIN = Started("m1", "c")
SIGNED = ReasoningSigned(Signature("sig", "anthropic"))
FOREIGN = Signature("g.1", "gemini")


def write(*events: Event) -> bytes:
    writer = MessageWriter(ABOUT)
    return b"".join([writer.write(event) for event in events])


def outline(stream: bytes) -> list[str]:
    """What happens in a stream, a word or two for each event; and that its grammar holds."""
    lines, open_index, count = [], None, 0
    for document in check_events(stream):
        match document["type"]:
            case "content_block_start":
                assert open_index is None, "one block at a time"
                assert document["index"] == count
                open_index, count = count, count + 1
                lines.append(document["content_block"]["type"])
            case "content_block_delta":
                assert document["index"] == open_index
                delta = document["delta"]
                value = next((value for key, value in delta.items() if key != "type"), None)
                lines.append(f"  {value['url'] if isinstance(value, dict) else value}")
            case "content_block_stop":
                assert document["index"] == open_index
                open_index = None
            case kind:
                assert kind not in ("message_delta", "message_stop") or open_index is None
                lines.append(kind)
    return lines


@pytest.mark.parametrize(
    ("events", "inner"),
    [
        ([], []),
        ([TextDelta("a"), TextDelta(""), TextDelta("b")], ["text", "  a", "  b"]),
        ([ReasoningDelta("a"), SIGNED, TextDelta("b")], ["thinking", "  a", "  sig", "text", "  b"]),
        (
            [ReasoningDelta("a"), SIGNED, ReasoningDelta("b")],
            ["thinking", "  a", "  sig", "thinking", "  b", "  lr.unsigned."],
        ),
        ([ReasoningDelta("a"), TextDelta("b")], ["thinking", "  a", "  lr.unsigned.", "text", "  b"]),
        ([SIGNED], ["thinking", "  sig"]),
        ([ReasoningSigned(Signature("x", "anthropic"), redacted=True)], ["redacted_thinking"]),
        ([TextDelta("a"), RefusalDelta("No")], ["text", "  a", "  No"]),
        (
            [ToolCallStarted(0, "t1", "f"), ToolCallDelta(0, '{"a"'), ToolCallDelta(0, ":1}"), TextDelta("b")],
            ["tool_use", "  ", '  {"a"', "  :1}", "text", "  b"],
        ),
        # by turns: the second call waits until the first one is whole
        (
            [
                ToolCallStarted(0, "t1", "f"),
                ToolCallStarted(1, "t2", "g"),
                ToolCallDelta(1, '{"b"'),
                ToolCallDelta(0, '{"a":1}'),
                ToolCallDelta(1, ":2}"),
            ],
            ["tool_use", "  ", '  {"a":1}', "tool_use", '  {"b"', "  :2}"],
        ),
        # and words with it
        (
            [
                ToolCallStarted(0, "t1", "f"),
                ToolCallDelta(0, "{"),
                TextDelta("b"),
                ToolCallDelta(0, "}"),
                TextDelta("c"),
            ],
            ["tool_use", "  ", "  {", "  }", "text", "  b", "  c"],
        ),
        # at the end all is written, whole or not
        (
            [ToolCallStarted(0, "t1", "f"), ToolCallStarted(1, "t2", "g"), ToolCallDelta(1, "{}")],
            ["tool_use", "  ", "tool_use", "  {}"],
        ),
        ([ToolCallDelta(7, "{}")], []),
        (
            [ToolCallStarted(0, "t1", "f", signature=FOREIGN), ToolCallDelta(0, "{}")],
            ["redacted_thinking", "tool_use", "  ", "  {}"],
        ),
        ([TextDelta("a"), Citation("u1"), TextDelta("b")], ["text", "  a", "  u1", "  b"]),
        ([Citation("u1"), TextDelta("a")], ["text", "  u1", "  a"]),
        ([ReasoningDelta("a"), Citation("u1")], ["thinking", "  a", "  lr.unsigned.", "text", "  u1"]),
        ([ImageMade(Image(url="https://a"))], []),
    ],
)
def test_blocks_come_one_after_the_other(events: list[Event], inner: list[str]) -> None:
    stream = write(BEGIN, *events, Finished("stop"))

    assert outline(stream) == ["message_start", *inner, "message_delta", "message_stop"]


def test_nothing_waits_without_need() -> None:
    writer = MessageWriter(ABOUT)
    events: list[Event] = [
        *(BEGIN, ToolCallStarted(0, "t1", "f"), ToolCallDelta(0, '{"a":{}'), ToolCallDelta(0, "}")),
        *(ToolCallStarted(1, "t2", "g"), ToolCallDelta(1, "{}"), TextDelta("b")),
    ]

    assert all(writer.write(event) for event in events)


def test_beginning_and_end_have_what_the_sdk_needs() -> None:
    usage = Usage(input=5, cache_read=3, cache_write=2, output=7, reasoning=4)

    documents = check_events(write(Started(), TextDelta("a"), Finished("stop", usage, stop_sequence="###")))

    message = documents[0]["message"]
    assert (message["id"], message["model"], message["content"]) == ("msg_req_1", "claude-x", [])
    assert message["usage"] == {
        "input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
    }
    assert documents[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "###"}
    assert documents[-2]["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 0},
        "cache_read_input_tokens": 3,
        "output_tokens": 11,
        "output_tokens_details": {"thinking_tokens": 4},
    }


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("refusal", "refusal"),
        ("pause", "pause_turn"),
    ],
)
def test_reason_is_mapped(reason: FinishReason, stop: str) -> None:
    events: list[Event] = [BEGIN, TextDelta("a"), Finished(reason)]

    assert check_events(write(*events))[-2]["delta"]["stop_reason"] == stop
    assert write_reply(fold(events), ABOUT)["stop_reason"] == stop


def test_words_of_refusal_are_text_that_ends_in_a_refusal() -> None:
    events: list[Event] = [BEGIN, RefusalDelta("No"), Finished("stop")]

    streamed, whole = sdk_stream(write(*events)), Message.model_validate(write_reply(fold(events), ABOUT))

    for message in (streamed, whole):
        assert (by_sdk(message).text, message.stop_reason) == ("No", "refusal")


def test_failure_ends_the_stream() -> None:
    stream = write(BEGIN, TextDelta("a"), Failed("Busy", status=529))

    assert stream.endswith(
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy"}}\n\n'
    )


def test_whole_reply_has_its_parts_in_their_order() -> None:
    events: list[Event] = [
        Started(),
        ReasoningDelta("Hm"),
        ReasoningSigned(FOREIGN),
        ReasoningDelta("so"),
        ReasoningSigned(Signature("x", "anthropic"), redacted=True),
        TextDelta("a"),
        ToolCallStarted(0, "t1", "f", signature=FOREIGN),
        ToolCallDelta(0, '{"a":1}'),
        ToolCallStarted(1, "t2", "g"),
        ToolCallDelta(1, '{"a"'),
        TextDelta("b"),
        ImageMade(Image(url="https://a")),
        Citation("https://u", "U", "w", 0, 1),
        Finished("tool_calls", Usage(input=1, output=2)),
    ]

    reply = write_reply(fold(events), ABOUT)

    citation = {
        "type": "web_search_result_location",
        "url": "https://u",
        "title": "U",
        "cited_text": "w",
        "encrypted_index": "",
    }
    assert reply["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "lr.gemini.g.1"},
        {"type": "thinking", "thinking": "so", "signature": "lr.unsigned."},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "a"},
        {"type": "redacted_thinking", "data": "lr.call.gemini.g.1"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {"INVALID_JSON": '{"a"'}},
        {"type": "text", "text": "b", "citations": [citation]},
    ]
    assert (reply["id"], reply["model"], reply["stop_reason"]) == ("msg_req_1", "claude-x", "tool_use")
    Message.model_validate(reply)


def test_citations_without_a_text_get_an_empty_one() -> None:
    reply = write_reply(fold([BEGIN, Citation("https://u"), Finished("stop")]), ABOUT)

    assert [(block["type"], block["text"], len(block["citations"])) for block in reply["content"]] == [("text", "", 1)]


def test_signatures_of_others_come_back_from_the_client() -> None:
    events: list[Event] = [
        *(
            BEGIN,
            ReasoningDelta("Hm"),
            ReasoningSigned(FOREIGN),
            ReasoningSigned(Signature("x", "responses"), redacted=True),
        ),
        *(ToolCallStarted(0, "t1", "f", signature=FOREIGN), ToolCallDelta(0, "{}"), Finished("tool_calls")),
    ]
    content = [block.model_dump(exclude_none=True) for block in sdk_stream(write(*events)).content]

    request = read_request({"messages": [{"role": "assistant", "content": content}]})

    assert request.messages[0].parts == fold(events).parts
    assert request.extras is None


# -- whatever the dialect can express comes back as it was --

OBJECTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5) | st.none(), max_size=3)
TEXTS = st.text(min_size=1, max_size=8)
SIGNATURES = st.builds(Signature, TEXTS, st.just("anthropic"))
USAGES = st.none() | usages_of(
    input=st.integers(1, 99),
    cache_read=st.integers(0, 99),
    cache_write=st.integers(0, 99),
    output=st.integers(0, 99),
    reasoning=st.integers(0, 99),
)
ENDS = st.builds(Finished, st.sampled_from(["stop", "length", "tool_calls", "refusal", "pause"]), USAGES) | st.builds(
    Finished, st.just("stop"), USAGES, TEXTS
)


@st.composite
def replies(draw: st.DrawFn, *, by_turns: bool = False) -> list[Event]:
    """Events of a reply, `by_turns`: with several tool calls open at once."""
    events: list[Event] = []
    pending: list[ToolCallDelta] = []
    calls = 0
    for kind in draw(
        st.lists(st.sampled_from(["text", "thought", "signed", "redacted", "call", "source"]), max_size=8)
    ):
        match kind:
            case "text":
                events.append(TextDelta(draw(TEXTS)))
            case "thought":
                events.append(ReasoningDelta(draw(TEXTS)))
            case "signed":
                events.append(ReasoningSigned(draw(SIGNATURES)))
            case "redacted":
                events.append(ReasoningSigned(draw(SIGNATURES), redacted=True))
            case "call":
                text = json.dumps(draw(OBJECTS))
                at = draw(st.integers(0, len(text)))
                events.append(ToolCallStarted(calls, f"t{calls}", draw(TEXTS)))
                deltas = [ToolCallDelta(calls, piece) for piece in (text[:at], text[at:]) if piece]
                calls += 1
                if by_turns:
                    pending += deltas
                else:
                    events += deltas
            case "source" if any(isinstance(event, TextDelta) for event in events[-1:]):
                events.append(Citation("https://" + draw(TEXTS), draw(st.none() | TEXTS), draw(st.none() | TEXTS)))
        more = draw(st.integers(0, len(pending)))
        for _ in range(more):
            # In any order among the calls, in their own order within one.
            index = draw(st.sampled_from(sorted({delta.index for delta in pending})))
            delta = next(delta for delta in pending if delta.index == index)
            pending.remove(delta)
            events.append(delta)
    return [Started(draw(TEXTS), draw(TEXTS)), *events, *pending, draw(ENDS)]


def without_places(events: list[Event]) -> list[Event]:
    """The events with citations behind their text, and without what they back, which is told by the block."""
    found: list[Event] = [
        Citation(event.url, event.title, event.text) if isinstance(event, Citation) else event for event in events
    ]
    order = sorted(range(len(found)), key=lambda at: _last_of_text(found, at))
    return merge([found[at] for at in order])


def _last_of_text(events: list[Event], at: int) -> tuple[int, bool]:
    """Where the run of text and citations ends in which `at` stands, and citations after the text."""
    end = at
    while isinstance(events[end], TextDelta | Citation) and isinstance(events[end + 1], TextDelta | Citation):
        end += 1
    return end, isinstance(events[at], Citation)


@settings(max_examples=40, deadline=None)
@given(replies(), st.lists(st.integers(1, 400), max_size=6))
def test_stream_that_is_written_is_read_as_the_same_events(events: list[Event], sizes: list[int]) -> None:
    stream = write(*events)

    assert without_places(read(_pieces(stream, sizes))) == without_places(events)
    outline(stream)


@settings(max_examples=40, deadline=None)
@given(replies(by_turns=True), st.lists(st.integers(1, 400), max_size=6))
def test_calls_by_turns_come_to_the_same(events: list[Event], sizes: list[int]) -> None:
    stream = write(*events)

    assert by_gateway(fold(read(_pieces(stream, sizes)))) == by_gateway(fold(events))
    outline(stream)


@settings(max_examples=40, deadline=None)
@given(replies())
def test_whole_reply_that_is_written_is_read_as_the_same(events: list[Event]) -> None:
    reply = write_reply(fold(events), ABOUT)

    assert by_gateway(fold(read_reply(json.loads(json.dumps(reply))))) == by_gateway(fold(events))
    Message.model_validate(reply)


@settings(max_examples=10, deadline=None)
@given(replies(by_turns=True))
def test_sdk_puts_together_the_same(events: list[Event]) -> None:
    said: Any = by_gateway(fold(events))
    said.sources = [(url, title, text or "") for url, title, text in said.sources]

    assert by_sdk(sdk_stream(write(*events))) == said


def _pieces(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [*pieces, stream]


def test_reply_names_the_model_that_the_client_asked_for() -> None:
    about = replace(ABOUT, payload={"model": "google/gemini-3-pro"})
    events: list[Event] = [Started("r", "gemini-3-pro-preview-0815"), TextDelta("a"), Finished("stop")]
    writer = MessageWriter(about)

    whole, begun = write_reply(fold(events), about), check_events(b"".join(writer.write(event) for event in events))[0]

    assert whole["model"] == begun["message"]["model"] == "google/gemini-3-pro"
