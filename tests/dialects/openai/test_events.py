"""Streams of chat chunks as events and back: the rules that no recording shows, and what must hold for any bytes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from app.core.chat import Image, Signature
from app.core.errors import UpstreamCut, UpstreamError, UpstreamInvalid
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
from app.core.jsonio import loads
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.openai.events import ChatEventReader, ChatEventWriter
from app.dialects.openai.reply import read_reply
from tests.dialects.openai.folding import chunks_of, data_of
from tests.dialects.openai.saying import ABOUT, read_stream, sdk_stream, written

STARTED = Started("id", "model", 7)
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": reason}
    document = {"id": "id", "model": "model", "created": 7, "choices": [choice], **fields}
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def read(*pieces: bytes) -> list[Event]:
    """What the pieces say between the start and the end."""
    events = read_stream([*pieces, chunk(reason="stop"), DONE])
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    return merge(events)[1:-1]


def deltas(events: list[Event], about: About = ABOUT) -> list[dict[str, Any]]:
    """The deltas of a written stream, without that of the role and the last."""
    chunks = [one for one in chunks_of(written([STARTED, *events, Finished("stop")], about)) if one["choices"]]
    return [one["choices"][0]["delta"] for one in chunks[1:-1]]


# Reading


@pytest.mark.parametrize(
    ("delta", "events"),
    [
        ({"content": "Hi"}, [TextDelta("Hi")]),
        ({"role": "assistant", "content": ""}, []),
        ({"content": None}, []),
        ({"refusal": "No."}, [RefusalDelta("No.")]),
        ({"reasoning_content": "Hm."}, [ReasoningDelta("Hm.")]),
        ({"reasoning": "Hm.", "content": "Hi"}, [ReasoningDelta("Hm."), TextDelta("Hi")]),
        ({"content": [{"type": "text", "text": "Hi"}]}, [TextDelta("Hi")]),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    {"type": "text", "text": "Hi"},
                ]
            },
            [ReasoningDelta("Hm."), TextDelta("Hi")],
        ),
        (
            {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
            [ImageMade(Image(data="aGk=", media_type="image/png"))],
        ),
        ({"function_call": {"name": 5}}, []),
        ({"content": 5, "refusal": 5, "reasoning": 5, "tool_calls": 5, "images": 5, "annotations": 5}, []),
        ({"content": [5, {"type": 5}], "reasoning_details": [5, {}], "images": [5, {}], "annotations": [5, {}]}, []),
    ],
)
def test_delta_is_read(delta: dict[str, Any], events: list[Event]) -> None:
    assert read(chunk(delta)) == events


def test_reasoning_that_is_told_twice_is_read_once() -> None:
    detail = {"type": "reasoning.text", "text": "Hm.", "format": "unknown"}

    events = read(chunk({"reasoning": "Hm.", "reasoning_details": [detail]}), chunk({"reasoning_details": [detail]}))

    assert events == [ReasoningDelta("Hm.")]


def test_reasoning_that_only_details_tell_is_read() -> None:
    details = [{"type": "reasoning.text", "text": "Hm."}, {"type": "reasoning.summary", "summary": " So."}]

    assert read(chunk({"reasoning_details": details})) == [ReasoningDelta("Hm. So.")]


def test_proof_closes_the_reasoning_before_it() -> None:
    proof = {"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1"}
    hidden = {"type": "reasoning.encrypted", "data": "r", "format": "anthropic-claude-v1"}

    events = read(
        chunk({"reasoning": "Hm."}), chunk({"reasoning_details": [proof]}), chunk({"reasoning_details": [hidden]})
    )

    assert events == [
        ReasoningDelta("Hm."),
        ReasoningSigned(Signature("s", "anthropic")),
        ReasoningSigned(Signature("r", "anthropic"), redacted=True),
    ]


def test_tag_is_text_where_reasoning_has_a_field_of_its_own() -> None:
    events = read(chunk({"reasoning": "Hm."}), chunk({"content": "<think>no</think>"}))

    assert events == [ReasoningDelta("Hm."), TextDelta("<think>no</think>")]


def test_tag_may_come_in_pieces() -> None:
    events = read(*(chunk({"content": piece}) for piece in ("<th", "ink>Hm", ".</thi", "nk>", "\n\nHi")))

    assert events == [ReasoningDelta("Hm."), TextDelta("Hi")]


def test_text_that_was_held_back_goes_before_a_call() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}

    events = read(chunk({"content": "<thi"}), chunk({"tool_calls": [call]}))

    assert events == [TextDelta("<thi"), ToolCallStarted(0, "a", "f"), ToolCallDelta(0, "{}")]


def test_stop_after_calls_is_a_call() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}

    events = read_stream([chunk({"tool_calls": [call]}), chunk(reason="stop"), DONE])

    assert events[-1] == Finished("tool_calls")


def test_call_without_an_id_is_told_at_the_end() -> None:
    events = read(chunk({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}), chunk({"content": "Hi"}))

    assert isinstance(events[1], ToolCallStarted)
    assert events[1].id.startswith("call_")


def test_function_call_is_a_call() -> None:
    events = read(
        chunk({"function_call": {"name": "f", "arguments": ""}}), chunk({"function_call": {"arguments": "{}"}})
    )

    assert isinstance(events[0], ToolCallStarted)
    assert (events[0].name, events[1:]) == ("f", [ToolCallDelta(0, "{}")])


def test_other_choices_are_not_read() -> None:
    other = {"index": 1, "delta": {"content": "two"}, "finish_reason": None}

    assert read(chunk(choices=[other]), chunk({"content": "one"})) == [TextDelta("one")]


def test_chunk_without_choices_does_not_start_an_answer() -> None:
    head = chunk(choices=[], id="", model="", created=0, prompt_filter_results=[])

    assert read_stream([head, chunk({"content": "Hi"}), chunk(reason="stop"), DONE])[0] == STARTED


def test_last_report_of_usage_counts() -> None:
    def usage(completion: int) -> dict[str, int]:
        return {"prompt_tokens": 3, "completion_tokens": completion, "total_tokens": 3 + completion}

    pieces = [
        chunk({"content": "Hi"}, usage=usage(1)),
        chunk(reason="stop", usage=usage(2)),
        chunk(choices=[], usage=usage(4)),
    ]

    assert read_stream([*pieces, DONE])[-1] == Finished("stop", Usage(input=3, output=4))


@pytest.mark.parametrize("usage", [None, {}, 5, {"prompt_tokens": -1, "completion_tokens": 4}])
def test_usage_that_cannot_be_is_none(usage: Any) -> None:
    assert read_stream([chunk({"content": "Hi"}, "stop", usage=usage), DONE])[-1] == Finished("stop")


def test_nothing_is_read_after_the_end() -> None:
    reader = ChatEventReader()

    events = reader.feed(chunk({"content": "Hi"}, "stop") + DONE + chunk({"content": "more"}))

    assert events[1:] == [TextDelta("Hi"), Finished("stop")]
    assert reader.ended
    assert reader.feed(chunk({"content": "more"})) == []
    assert reader.close(certain=True) == []


@pytest.mark.parametrize("end", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n\r\n", b"data: [DONE] \r\r"])
def test_end_may_be_written_in_several_ways(end: bytes) -> None:
    assert read_stream([chunk({"content": "Hi"}), end])[-1] == Finished("stop")


def test_finish_reason_and_the_end_of_the_body_are_an_end() -> None:
    reader = ChatEventReader()
    reader.feed(chunk({"content": "Hi"}, "length"))

    assert reader.close(certain=False) == [Finished("length")]


@pytest.mark.parametrize("last", [b"", b"data: {", b": ping\n\n", b"data: [DO", b"<html>"])
def test_stream_without_an_end_is_cut(last: bytes) -> None:
    reader = ChatEventReader()
    reader.feed(chunk({"content": "Hi"}) + last)

    with pytest.raises(UpstreamCut):
        reader.close(certain=False)


def test_stream_of_nothing_is_cut() -> None:
    with pytest.raises(UpstreamCut):
        ChatEventReader().close(certain=True)


@pytest.mark.parametrize(
    "noise",
    [
        b": ping\n\n",
        b"event: ping\ndata: {}\n\n",
        b"data: \n\n",
        b"\n\n\n",
        b"retry: 5\n\n",
        b'data: {"type":"ping"}\n\n',
    ],
)
def test_noise_is_skipped(noise: bytes) -> None:
    assert read(noise, chunk({"content": "a"}), noise, chunk({"content": "b"}), noise) == [TextDelta("ab")]


@pytest.mark.parametrize("odd", [b"data: Hi\n\n", b"data: 5\n\n", b"data: []\n\n", b'data: {"choices":5}\n\n'])
def test_what_is_no_chunk_is_an_error(odd: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        read(chunk({"content": "Hi"}), odd)


@pytest.mark.parametrize(
    "around", ['{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":%s}}]}}]}', '{"error":%s}']
)
def test_what_nests_too_deeply_is_an_error(around: str) -> None:
    deep = '{"a":' * 1012 + "1" + "}" * 1012

    with pytest.raises(UpstreamInvalid):
        read((f"data: {around}\n\n" % deep).encode())
    with pytest.raises(UpstreamInvalid):
        read_reply(loads(around.replace("delta", "message") % deep))


def test_half_a_character_is_repaired() -> None:
    assert read(chunk({"content": "caf"}), b'data: {"choices":[{"delta":{"content":"\xe9"}}]}\n\n') == [
        TextDelta("caf\ufffd")
    ]


def test_byte_order_mark_is_no_harm() -> None:
    assert read_stream([b"\xef\xbb\xbf" + chunk({"content": "Hi"}), DONE])[:2] == [STARTED, TextDelta("Hi")]


@pytest.mark.parametrize(
    ("document", "failed"),
    [
        (
            {"error": {"message": "No", "type": "overloaded_error", "code": None}},
            Failed("No", 529, "overloaded_error", None, {"message": "No", "type": "overloaded_error", "code": None}),
        ),
        (
            {"error": {"message": "No", "type": "requests", "code": "rate_limit_exceeded"}},
            Failed(
                "No",
                429,
                "requests",
                "rate_limit_exceeded",
                {"message": "No", "type": "requests", "code": "rate_limit_exceeded"},
            ),
        ),
        ({"error": {"message": "No", "code": 503}}, Failed("No", 503, None, None, {"message": "No", "code": 503})),
        ({"error": "No", "code": "odd"}, Failed("No", 502, None, "odd", {"message": "No", "code": "odd"})),
        (
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]},
            Failed("The provider ended its answer with an error.", 502),
        ),
    ],
)
def test_error_inside_the_stream_is_the_last_event(document: dict[str, Any], failed: Failed) -> None:
    reader = ChatEventReader()

    events = reader.feed(chunk({"content": "Hi"}) + b"data: " + json.dumps(document).encode() + b"\n\n" + DONE)

    assert events == [STARTED, TextDelta("Hi"), failed]
    assert reader.ended


# Writing


def test_stream_begins_with_the_role_and_ends_with_done() -> None:
    out = data_of(written([STARTED, TextDelta("Hi"), Finished("stop", Usage(input=3, output=4))]))

    chunks = [json.loads(data) for data in out[:-1]]
    for one in chunks:
        ChatCompletionChunk.model_validate(one, strict=True)
    head = {"id": "id", "object": "chat.completion.chunk", "created": 7, "model": "model"}
    assert all(one.items() >= head.items() for one in chunks)
    assert [one["choices"] for one in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": "", "refusal": None}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        [],
    ]
    assert chunks[-1]["usage"]["total_tokens"] == 7
    assert out[-1] == b"[DONE]"


def test_what_the_provider_did_not_say_is_filled_in() -> None:
    (first, *_) = chunks_of(written([Started(), Finished("stop")]))

    assert (first["id"], first["model"], first["created"]) == ("chatcmpl-req_1", "m", 1_700_000_000)


@pytest.mark.parametrize("wants_usage", [True, False])
def test_usage_is_written_exactly_where_it_is_wanted(*, wants_usage: bool) -> None:
    about = About("req_1", "m", 1, wants_usage, {})

    chunks = chunks_of(written([STARTED, Finished("stop", Usage(input=3, output=4))], about))

    assert sum("usage" in one for one in chunks) == wants_usage


@pytest.mark.parametrize(
    ("event", "delta"),
    [
        (TextDelta("\ud800é"), {"content": "\ud800é"}),
        (ReasoningDelta("Hm."), {"reasoning_content": "Hm."}),
        (RefusalDelta("No."), {"refusal": "No."}),
        (
            ImageMade(Image(data="aGk=", media_type="image/png")),
            {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}, "index": 0}]},
        ),
    ],
)
def test_event_is_written_as_a_delta(event: Event, delta: dict[str, Any]) -> None:
    assert deltas([event]) == [delta]


def test_sources_are_written_together_before_the_end() -> None:
    sources = [Citation("https://a", "A", "words", 3, 9), Citation("https://b")]

    written_deltas = deltas([TextDelta("Hi"), sources[0], TextDelta("!"), sources[1]])

    assert written_deltas == [
        {"content": "Hi"},
        {"content": "!"},
        {
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {
                        "url": "https://a",
                        "title": "A",
                        "start_index": 3,
                        "end_index": 9,
                        "content": "words",
                    },
                },
                {
                    "type": "url_citation",
                    "url_citation": {"url": "https://b", "title": "", "start_index": 0, "end_index": 0},
                },
            ]
        },
    ]


def test_proof_is_written_with_the_text_that_it_proves() -> None:
    events: list[Event] = [
        ReasoningDelta("Hm"),
        ReasoningDelta("."),
        ReasoningSigned(Signature("s", "anthropic")),
        ReasoningSigned(Signature("r", "anthropic"), redacted=True),
        ReasoningDelta("So."),
        ReasoningSigned(Signature("t", "anthropic")),
    ]

    details = [delta["reasoning_details"][0] for delta in deltas(events) if "reasoning_details" in delta]
    assert details == [
        {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "lr:anthropic", "index": 0},
        {"type": "reasoning.encrypted", "data": "r", "format": "lr:anthropic", "index": 1},
        {"type": "reasoning.text", "text": "So.", "signature": "t", "format": "lr:anthropic", "index": 2},
    ]


def test_call_is_written_as_openai_does() -> None:
    call = ToolCallStarted(1, "a", "f", Signature("proof", "gemini"))

    assert deltas([call, ToolCallDelta(1, "{}")]) == [
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                    "extra_content": {"google": {"thought_signature": "proof"}},
                }
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


def test_client_that_offered_functions_gets_a_function_call() -> None:
    about = About("req_1", "m", 1, wants_usage=False, payload={"functions": [{"name": "f"}]})
    events: list[Event] = [
        STARTED,
        ToolCallStarted(0, "a", "f"),
        ToolCallDelta(0, "{}"),
        ToolCallStarted(1, "b", "g"),
        Finished("tool_calls"),
    ]

    choices = [one["choices"][0] for one in chunks_of(written(events, about))]

    assert [choice["delta"] for choice in choices[1:]] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        {},
    ]
    assert choices[-1]["finish_reason"] == "function_call"


def test_failure_is_an_error_and_then_the_end() -> None:
    failed = Failed("No", 529, "overloaded_error", "busy", {"message": "No", "type": "overloaded_error", "extra": 1})

    out = data_of(written([STARTED, TextDelta("Hi"), failed]))

    assert json.loads(out[-2])["error"] == {
        "message": "No",
        "type": "overloaded_error",
        "param": None,
        "code": "busy",
        "extra": 1,
    }
    assert out[-1] == b"[DONE]"


# Whatever comes

TEXTS = st.text(min_size=1, max_size=8)
# A text at the beginning that is like a tag is another thing.
FIRST_TEXTS = TEXTS.filter(lambda text: text.strip() != "" and not text.lstrip().startswith("<"))
SIGNATURES = st.builds(Signature, TEXTS, st.sampled_from(["anthropic", "gemini", "responses"]))
IMAGES = st.builds(Image, data=st.just("aGk="), media_type=st.just("image/png")) | st.builds(
    Image, url=st.just("https://example.org/a.png")
)
CALL_PROOFS = st.none() | st.builds(Signature, st.from_regex(r"[A-Za-z0-9+/=]+", fullmatch=True), st.just("gemini"))


@st.composite
def replies(draw: st.DrawFn) -> list[Event]:
    """Event sequences that this dialect can tell whole."""
    events: list[Event] = [Started(draw(TEXTS), draw(TEXTS), draw(st.integers(1, 1 << 40)))]
    events += [TextDelta(text) for text in draw(st.lists(FIRST_TEXTS, max_size=1))]
    if len(events) == 1:
        events.append(ReasoningDelta(draw(TEXTS)))
    calls, refused = 0, False
    for kind in draw(st.lists(st.sampled_from("trscmid"), max_size=8)):
        if kind == "t":
            events.append(TextDelta(draw(TEXTS)))
        elif kind == "r":
            events.append(ReasoningDelta(draw(TEXTS)))
        elif kind == "s":
            events.append(ReasoningSigned(draw(SIGNATURES), draw(st.booleans()), draw(st.none() | TEXTS)))
        elif kind == "i":
            events.append(ImageMade(draw(IMAGES)))
        elif kind == "d":
            refused = True
            events.append(RefusalDelta(draw(TEXTS)))
        elif kind == "c":
            events.append(ToolCallStarted(calls, f"call_{calls}", draw(TEXTS), draw(CALL_PROOFS)))
            calls += 1
        elif calls:
            events.append(ToolCallDelta(draw(st.integers(0, calls - 1)), draw(TEXTS)))
    argued = {event.index for event in events if isinstance(event, ToolCallDelta)}
    events += [ToolCallDelta(index, "{}") for index in range(calls) if index not in argued]
    events += [Citation(f"https://{n}", draw(st.none() | TEXTS)) for n in range(draw(st.integers(0, 2)))]
    natural: FinishReason = "tool_calls" if calls else "refusal" if refused else "stop"
    reason = "length" if draw(st.booleans()) else natural
    usage = Usage(
        input=draw(st.integers(1, 99)), cache_read=draw(st.integers(0, 99)), output=5, reasoning=draw(st.integers(0, 9))
    )
    return [*events, Finished(reason, usage)]


def test_call_without_arguments_has_an_empty_object_before_the_end() -> None:
    out = written([Started("a", "m", 1), ToolCallStarted(0, "call_0", "now"), Finished("tool_calls", Usage(1))])

    assert fold(read_stream([out])).tool_calls[0].arguments == "{}"
    assert out.count(b'"arguments":"{}"') == 1


@settings(deadline=None, max_examples=80)
@given(replies(), st.data())
def test_what_is_written_is_read_again(events: list[Event], data: st.DataObject) -> None:
    out = written(events)
    at = sorted(data.draw(st.lists(st.integers(0, len(out)), max_size=6)))

    again = read_stream([out[start:end] for start, end in zip([0, *at], [*at, len(out)], strict=True)])

    assert merge(again) == merge(events)


@settings(deadline=None, max_examples=25)
@given(replies())
def test_what_is_written_is_what_the_sdk_reads(events: list[Event]) -> None:
    texts = "".join(event.text for event in events if isinstance(event, TextDelta))
    calls = [event.name for event in events if isinstance(event, ToolCallStarted)]
    events = [event for event in events if not isinstance(event, ToolCallDelta)]
    with_arguments: list[Event] = []
    for event in events:
        with_arguments += [event, ToolCallDelta(event.index, "{}")] if isinstance(event, ToolCallStarted) else [event]

    said = sdk_stream(written(with_arguments))

    assert (said.text, [name for _, name, _ in said.calls]) == (texts, calls)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "choices",
                        "delta",
                        "message",
                        "content",
                        "type",
                        "text",
                        "tool_calls",
                        "function",
                        "name",
                        "id",
                        "index",
                    ),
                    *(
                        "arguments",
                        "reasoning",
                        "reasoning_details",
                        "data",
                        "format",
                        "signature",
                        "refusal",
                        "images",
                        "code",
                    ),
                    *(
                        "image_url",
                        "url",
                        "annotations",
                        "url_citation",
                        "citations",
                        "search_results",
                        "usage",
                        "error",
                    ),
                    *(
                        "finish_reason",
                        "function_call",
                        "extra_content",
                        "google",
                        "thought_signature",
                        "created",
                        "thinking",
                    ),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    "content",
                    "tool_calls",
                    "reasoning",
                    "reasoning_details",
                    "images",
                    "annotations",
                    "function_call",
                    "refusal",
                ]
            ),
            JSON_VALUES,
            max_size=4,
        ),
        max_size=4,
    ),
    JSON_VALUES,
)
def test_deltas_of_any_kind_make_events_or_the_errors_that_are_ours(said: list[dict[str, Any]], other: Any) -> None:
    pieces = [chunk(delta, citations=other, search_results=other) for delta in said]

    events = read_stream([*pieces, chunk(reason="stop"), DONE])

    assert isinstance(events[-1], Finished)
    written(events)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.binary(max_size=12) | JSON_VALUES | st.sampled_from([b"\n\n", b"data: ", b"\r", b"[DONE]"]), max_size=6)
)
def test_any_bytes_make_events_or_the_errors_that_are_ours(parts: list[Any]) -> None:
    reader = ChatEventReader()
    pieces = [part if isinstance(part, bytes) else b"data: " + json.dumps(part).encode() + b"\n\n" for part in parts]
    writer = ChatEventWriter(ABOUT)
    try:
        for event in [event for piece in pieces for event in reader.feed(piece)] + reader.close(certain=True):
            writer.write(event)
    except (UpstreamInvalid, UpstreamCut):
        pass


@settings(deadline=None, max_examples=80)
@given(JSON_VALUES)
def test_any_value_is_a_reply_or_an_error_that_is_ours(value: Any) -> None:
    for document in (value, {"choices": [value]}, {"choices": [{"message": value}], "usage": value}):
        try:
            events = read_reply(loads(json.dumps(document)))
        except (UpstreamInvalid, UpstreamError):
            continue
        assert isinstance(events[-1], Finished)
