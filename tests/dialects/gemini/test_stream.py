"""Streams that we write: read again, by ourselves and by the SDK, they say what was written; and what a provider may do to its own."""

import base64
import json
from typing import Any

import pytest
from google.genai import errors as sdk_errors
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.chat import Image, Signature
from app.core.errors import UpstreamCut, UpstreamInvalid
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
from app.dialects.dialect import About, EventWriter
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.stream import StreamReader, write_array_error, write_array_stream
from tests.dialects.gemini.sdk import answered, said_by_sdk, streamed
from tests.usages import usages_of

ABOUT = About("req-1", "demo", 1_700_000_000, wants_usage=True, payload={})
STARTED = Started("r", "m", 7)
WORDS = st.text(min_size=1, max_size=12)
SIGNATURES = st.builds(
    Signature,
    st.binary(min_size=1, max_size=12).map(lambda value: base64.b64encode(value).decode()),
    st.sampled_from(["gemini", "anthropic", "responses"]),
)
COUNTS = st.integers(min_value=1, max_value=1 << 40)
SAID: st.SearchStrategy[Event] = st.one_of(
    st.builds(TextDelta, WORDS),
    st.builds(ReasoningDelta, WORDS),
    st.builds(ReasoningSigned, SIGNATURES, st.booleans()),
    st.builds(ImageMade, st.builds(Image, st.just("aGk="), st.just("image/webp"))),
    st.builds(ImageMade, st.builds(Image, media_type=st.just("image/png"), url=st.just("https://e.com/a"))),
)
ARGUMENTS = st.dictionaries(WORDS, st.one_of(WORDS, st.integers(-9, 9), st.lists(st.booleans())), max_size=3)


@st.composite
def replies(draw: st.DrawFn) -> list[Event]:
    """The events of one reply that this dialect can express."""
    events: list[Event] = [Started(draw(WORDS), draw(WORDS), draw(st.integers(0, 1 << 33)))]
    calls = 0
    for part in draw(st.lists(st.one_of(SAID, ARGUMENTS), max_size=8)):
        if isinstance(part, dict):
            signature = draw(st.none() | SIGNATURES)
            events.append(ToolCallStarted(calls, draw(WORDS), draw(WORDS), signature))
            events.append(ToolCallDelta(calls, json.dumps(part, separators=(",", ":"), ensure_ascii=False)))
            calls += 1
        else:
            events.append(part)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    for number in range(draw(st.integers(0, 3))):
        url, title = f"https://e.com/{number}", draw(st.none() | WORDS)
        places = draw(st.lists(st.tuples(st.integers(0, len(text)), st.integers(0, len(text))), max_size=2))
        events += [Citation(url, title, None, min(place), max(place)) for place in places] or [Citation(url, title)]
    ends: list[FinishReason] = ["length", "content_filter", "tool_calls" if calls else "stop"]
    usage = usages_of(input=COUNTS, cache_read=COUNTS, output=COUNTS, reasoning=COUNTS)
    events.append(Finished(draw(st.sampled_from(ends)), draw(st.none() | usage)))
    return events


def written_by(writer: EventWriter, events: list[Event]) -> bytes:
    return b"".join([writer.write(event) for event in events])


def written(*events: Event) -> bytes:
    return written_by(GEMINI.write_stream(ABOUT), [STARTED, *events])


def read(body: bytes, cuts: list[int] | None = None) -> list[Event]:
    """The events of `body`, fed in pieces that end at `cuts`."""
    reader = StreamReader()
    ends = [*sorted(cut % (len(body) + 1) for cut in cuts or []), len(body)]
    events = [event for start, end in zip([0, *ends], ends, strict=False) for event in reader.feed(body[start:end])]
    return events if reader.ended else events + reader.close(certain=False)


def chunk(*parts: dict[str, Any], **candidate: Any) -> bytes:
    content = {"role": "model", "parts": list(parts)}
    return b"data: " + json.dumps({"candidates": [{"content": content, **candidate}]}).encode() + b"\n\n"


@settings(max_examples=60, deadline=None)
@given(replies(), st.lists(st.integers(0, 1 << 20), max_size=6))
def test_what_is_written_is_read_again(events: list[Event], cuts: list[int]) -> None:
    body = written_by(GEMINI.write_stream(ABOUT), events)

    assert merge(read(body, cuts)) == merge(events)


@settings(max_examples=40, deadline=None)
@given(replies())
def test_array_that_is_written_is_read_again(events: list[Event]) -> None:
    body = written_by(write_array_stream(ABOUT), events)

    assert merge(GEMINI.read_reply(json.loads(body))) == merge(events)


@settings(max_examples=40, deadline=None)
@given(replies())
def test_whole_reply_that_is_written_is_read_again(events: list[Event]) -> None:
    completion = fold(events)

    reply = GEMINI.write_reply(completion, ABOUT)

    assert fold(GEMINI.read_reply(reply)) == completion


@settings(max_examples=20, deadline=None)
@given(replies())
def test_sdk_reads_from_a_stream_what_it_reads_from_the_whole_reply(events: list[Event]) -> None:
    body = written_by(GEMINI.write_stream(ABOUT), events)

    said = said_by_sdk(streamed(body))

    assert said == said_by_sdk(answered(GEMINI.write_reply(fold(events), ABOUT)))
    assert said.text == fold(events).text
    assert said.thoughts == fold(events).reasoning


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=12))
def test_arguments_of_calls_that_come_by_turns_are_kept_apart(turns: list[int]) -> None:
    whole = {0: '{"a":0}', 1: '{"b":1}', 2: ""}
    calls: list[Event] = [ToolCallStarted(index, f"c{index}", f"f{index}") for index in whole]
    rest = dict(whole)
    for index in turns:
        calls.append(ToolCallDelta(index, rest[index][:2]))
        rest[index] = rest[index][2:]
    calls += [ToolCallDelta(index, text) for index, text in rest.items()]

    completion = fold(read(written(*calls, TextDelta("x"), Finished("tool_calls"))))

    assert [call.arguments for call in completion.tool_calls] == ['{"a":0}', '{"b":1}', "{}"]
    assert completion.text == "x"


def test_call_is_one_part_at_the_end() -> None:
    writer = GEMINI.write_stream(ABOUT)

    early = written_by(writer, [STARTED, ToolCallStarted(0, "c", "f"), ToolCallDelta(0, '{"a":1}')])
    last = json.loads(writer.write(Finished("tool_calls")).removeprefix(b"data: "))

    assert early == b""
    [candidate] = last["candidates"]
    [part] = candidate["content"]["parts"]
    assert part["functionCall"] == {"id": "c", "name": "f", "args": {"a": 1}}
    assert candidate["finishReason"] == "STOP"


@pytest.mark.parametrize(
    ("reason", "said"),
    [("tool_calls", "MALFORMED_FUNCTION_CALL"), ("length", "MAX_TOKENS"), ("stop", "MALFORMED_FUNCTION_CALL")],
)
@pytest.mark.parametrize("arguments", ['{"a":', "[]", "nothing"])
def test_call_with_broken_arguments_is_not_told_as_one(reason: FinishReason, said: str, arguments: str) -> None:
    body = written(ToolCallStarted(0, "c", "f"), ToolCallDelta(0, arguments), Finished(reason))

    sum_of_all = said_by_sdk(streamed(body))

    assert sum_of_all.calls == []
    assert sum_of_all.reason == said


def test_text_goes_out_as_it_comes() -> None:
    writer = GEMINI.write_stream(ABOUT)

    pieces = [writer.write(event) for event in (STARTED, TextDelta("Hel"), TextDelta("lo"))]

    assert [b"Hel" in pieces[1], b"lo" in pieces[2], pieces[0]] == [True, True, b""]


def test_signature_stands_on_the_thought_that_it_closes() -> None:
    signature = Signature("c2ln", "gemini")

    body = written(ReasoningDelta("so"), ReasoningSigned(signature), TextDelta("x"), Finished("stop"))

    parts = [part for reply in streamed(body) for part in reply.parts or []]
    assert [(part.text, part.thought, part.thought_signature) for part in parts] == [
        ("so", True, b"sig"),
        ("x", None, None),
        ("", None, None),
    ]


def test_signature_without_a_thought_stands_on_what_follows() -> None:
    body = written(ReasoningSigned(Signature("c2ln", "gemini")), TextDelta("x"), Finished("stop"))

    [first, *_] = streamed(body)

    assert first.parts
    assert (first.parts[0].text, first.parts[0].thought_signature) == ("x", b"sig")


def test_refusal_is_text() -> None:
    said = said_by_sdk(streamed(written(RefusalDelta("I "), RefusalDelta("won't."), Finished("refusal"))))

    assert (said.text, said.reason) == ("I won't.", "SAFETY")


def test_pause_leaves_the_answer_unfinished() -> None:
    assert said_by_sdk(streamed(written(TextDelta("x"), Finished("pause")))).reason == "MAX_TOKENS"


def test_what_the_provider_did_not_say_comes_from_us() -> None:
    writer = GEMINI.write_stream(ABOUT)

    body = written_by(writer, [Started(), TextDelta("x"), Finished("stop")])

    assert read(body)[0] == Started("req-1", "demo", 1_700_000_000)


def test_usage_stands_on_the_last_chunk_alone() -> None:
    usage = Usage(input=3, cache_read=4, cache_write=5, output=6, reasoning=7)

    [first, last] = streamed(written(TextDelta("x"), Finished("stop", usage)))

    assert first.usage_metadata is None
    assert last.usage_metadata is not None
    assert last.usage_metadata.prompt_token_count == 12
    assert last.usage_metadata.total_token_count == 25


def test_citations_tell_bytes_of_the_answer() -> None:
    citation = Citation("https://e.com", "E", "quoted", 3, 5)

    [*_, last] = streamed(written(TextDelta("é→xyz"), citation, Finished("stop")))

    assert last.candidates
    grounding = last.candidates[0].grounding_metadata
    assert grounding is not None
    assert grounding.grounding_chunks is not None
    assert grounding.grounding_supports is not None
    assert grounding.grounding_chunks[0].web is not None
    assert (grounding.grounding_chunks[0].web.uri, grounding.grounding_chunks[0].web.title) == ("https://e.com", "E")
    segment = grounding.grounding_supports[0].segment
    assert segment is not None
    assert (segment.start_index, segment.end_index, segment.text) == (6, 8, "yz")


def test_half_a_character_does_not_break_the_stream() -> None:
    lone = "\ud83d"

    assert (
        fold(read(written(TextDelta(lone), Citation("https://e.com", None, None, 0, 1), Finished("stop")))).text == lone
    )


def test_error_in_a_stream_is_one_that_the_sdk_raises() -> None:
    body = written(TextDelta("x"), Failed("It is full.", 529, "overloaded_error"))

    with pytest.raises(sdk_errors.ServerError, match="It is full") as raised:
        streamed(body)

    assert (raised.value.code, raised.value.status) == (529, "UNAVAILABLE")


def test_error_in_a_stream_is_read_as_it_was_written() -> None:
    body = written(TextDelta("x"), Failed("It is full.", 503)) + chunk({"text": "never"})

    events = read(body)

    assert events[-1] == Failed(
        "It is full.", 503, "UNAVAILABLE", body={"code": 503, "message": "It is full.", "status": "UNAVAILABLE"}
    )


def test_error_in_an_array_ends_it() -> None:
    writer = write_array_stream(ABOUT)

    [first, last] = json.loads(written_by(writer, [STARTED, TextDelta("x"), Failed("No.", 500)]))

    assert first["candidates"]
    assert last["error"]["status"] == "INTERNAL"


def test_cut_array_is_ended_with_an_error() -> None:
    writer = write_array_stream(ABOUT)

    body = written_by(writer, [STARTED, TextDelta("x")]) + write_array_error(UpstreamCut("It broke off."))

    assert json.loads(body)[1]["error"] == {
        "code": 502,
        "message": "It broke off.",
        "status": "UNAVAILABLE",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "UPSTREAM_CUT", "domain": "llm-relay"}
        ],
    }


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        ({"code": 503, "message": "No", "status": "UNAVAILABLE"}, Failed("No", 503, "UNAVAILABLE")),
        ({"message": "No", "status": "RESOURCE_EXHAUSTED"}, Failed("No", 429, "RESOURCE_EXHAUSTED")),
        ({"message": "No"}, Failed("No", 502)),
        ({"code": 200, "message": "No", "status": "WHAT"}, Failed("No", 502, "WHAT")),
        ({"message": "Bad AIzaSyA1234567890abcdef"}, Failed("Bad [redacted]", 502)),
    ],
)
@pytest.mark.parametrize("in_a_list", [False, True])
def test_error_event_of_the_provider_is_told_with_its_status(
    error: dict[str, Any], failed: Failed, *, in_a_list: bool
) -> None:
    document = [{"error": error}] if in_a_list else {"error": error}

    [*_, last] = read(b"data: " + json.dumps(document).encode() + b"\r\n\r\n")

    assert isinstance(last, Failed)
    assert (last.message, last.status, last.type) == (failed.message, failed.status, failed.type)


def test_error_that_the_end_of_the_body_completes_is_told() -> None:
    reader = StreamReader()
    reader.feed(chunk({"text": "x"}) + b'data: {"error":{"code":503,"message":"No"}}')

    [failed] = reader.close(certain=False)

    assert isinstance(failed, Failed)
    assert reader.ended
    assert reader.feed(chunk({"text": "never"})) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: {}\n\n",
        chunk({"text": "x"}),
        chunk({"text": "x"}, finishReason="STOP") + b'data: {"candid',
        b": ping\n\n",
        b"<html>busy</html>",
    ],
)
@pytest.mark.parametrize("certain", [True, False])
def test_stream_without_a_proper_end_is_cut(body: bytes, *, certain: bool) -> None:
    reader = StreamReader()
    reader.feed(body)

    with pytest.raises(UpstreamCut):
        reader.close(certain=certain)


@pytest.mark.parametrize("event", [b"data: no\n\n", b"data: 5\n\n", b'data: {"candidates":{}}\n\n', b"data: [1]\n\n"])
def test_event_that_is_no_chunk_is_refused(event: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        StreamReader().feed(event)


def test_what_is_between_chunks_is_passed_over() -> None:
    body = b"\xef\xbb\xbf: hello\n\nevent: x\r\n\r\ndata:\n\n" + chunk({"text": "a"})
    body += b'data: {"usageMetadata":{"promptTokenCount":3}}\n\n' + chunk({"text": "b"}, finishReason="STOP")
    body += b"data: [DONE]\n\n"

    completion = fold(read(body))

    assert (completion.text, completion.reason, completion.usage) == ("ab", "stop", Usage(input=3))


def test_broken_utf8_is_repaired() -> None:
    body = chunk({"text": "caf?"}, finishReason="STOP").replace(b"?", b"\xc3")

    assert fold(read(body)).text == "caf\ufffd"


def test_answer_goes_on_after_a_finish_reason() -> None:
    # Early models put STOP on every chunk.
    body = chunk({"text": "a"}, finishReason="STOP") + chunk({"text": "b"}, finishReason="STOP")

    assert fold(read(body)).text == "ab"
