"""Streams: what is written is read again as it was, and each rule of the writer and the reader."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.chat import Image, Signature
from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.usage import Usage
from app.dialects.ollama.dialect import OLLAMA, OLLAMA_GENERATE
from app.dialects.ollama.lines import LineBuffer
from app.dialects.ollama.stream import StreamReader
from tests.dialects.ollama.playing import ABOUT, CREATED_AT, UNHURRIED, event_lists, lines_of, read_in, written_by

STARTED = Started(model="demo", created=1_700_000_000)
STOPPED = Finished("stop", Usage(input=3, output=5))


def chat_stream(*events: Event) -> list[dict[str, Any]]:
    return lines_of(written_by(OLLAMA.write_stream(ABOUT), [STARTED, *events]))


def generate_stream(*events: Event) -> list[dict[str, Any]]:
    return lines_of(written_by(OLLAMA_GENERATE.write_stream(ABOUT), [STARTED, *events]))


def messages(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line["message"].items() if key != "role"} for line in lines[:-1]]


def read_lines(*lines: Any) -> list[Event]:
    return read_in([json.dumps(line).encode() + b"\n" for line in lines])


@UNHURRIED
@given(event_lists(), st.data())
def test_events_are_read_as_they_were_written(events: list[Event], data: st.DataObject) -> None:
    dialect = data.draw(st.sampled_from([OLLAMA, OLLAMA_GENERATE]))
    body = written_by(dialect.write_stream(ABOUT), events)
    # As fractions: the durations in the last line make its length a matter of chance.
    places = sorted(int(part * len(body)) for part in data.draw(st.lists(st.floats(0, 1), max_size=5)))
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]

    read = read_in(pieces)

    assert read == events


@UNHURRIED
@given(event_lists())
def test_only_the_last_line_is_done(events: list[Event]) -> None:
    lines = lines_of(written_by(OLLAMA.write_stream(ABOUT), events))

    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert all(line["message"]["role"] == "assistant" for line in lines)


def test_each_delta_has_its_line_in_chat() -> None:
    lines = chat_stream(ReasoningDelta("Hm."), TextDelta("He"), TextDelta("llo"), STOPPED)

    assert lines[:-1] == [
        {"model": "demo", "created_at": CREATED_AT, "message": message, "done": False}
        for message in (
            {"role": "assistant", "content": "", "thinking": "Hm."},
            {"role": "assistant", "content": "He"},
            {"role": "assistant", "content": "llo"},
        )
    ]


def test_each_delta_has_its_line_in_generate() -> None:
    lines = generate_stream(ReasoningDelta("Hm."), TextDelta("Hello"), STOPPED)

    assert lines[:-1] == [
        {"model": "demo", "created_at": CREATED_AT, "response": "", "thinking": "Hm.", "done": False},
        {"model": "demo", "created_at": CREATED_AT, "response": "Hello", "done": False},
    ]
    assert lines[-1]["response"] == ""


def test_delta_without_a_word_has_no_line() -> None:
    assert len(chat_stream(TextDelta(""), ReasoningDelta(""), STOPPED)) == 1


def test_last_line_tells_reason_and_counters() -> None:
    usage = Usage(input=3, cache_read=4, cache_write=5, output=6, reasoning=7)

    last = chat_stream(TextDelta("Hi"), Finished("length", usage))[-1]

    assert (last["done_reason"], last["prompt_eval_count"], last["eval_count"]) == ("length", 12, 13)
    assert last["message"] == {"role": "assistant", "content": ""}


def test_counters_that_nobody_knows_are_left_out() -> None:
    last = chat_stream(Finished("stop"))[-1]

    assert {"prompt_eval_count", "eval_count"}.isdisjoint(last)


def test_durations_are_those_of_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1_000, 1_300, 2_000])
    monkeypatch.setattr("app.dialects.ollama.stream.time", SimpleNamespace(monotonic_ns=lambda: next(ticks)))

    last = chat_stream(TextDelta(""), TextDelta("Hi"), TextDelta("!"), STOPPED)[-1]

    assert last["total_duration"] == 1_000
    assert last["load_duration"] == 0
    assert last["prompt_eval_duration"] == 300
    assert last["eval_duration"] == 700


def test_durations_count_from_when_the_call_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dialects.ollama.stream.time", SimpleNamespace(monotonic_ns=lambda: 3_000_000_000))
    monkeypatch.setattr("app.dialects.ollama.times.time", SimpleNamespace(monotonic_ns=lambda: 3_000_000_000))
    writer = OLLAMA.write_stream(replace(ABOUT, began_s=1.0))

    last = lines_of(written_by(writer, [Started(), TextDelta("Hi"), STOPPED]))[-1]

    assert (last["total_duration"], last["prompt_eval_duration"], last["eval_duration"]) == (2_000_000_000,) * 2 + (0,)


def test_reply_without_a_word_took_all_its_time_for_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1_000, 2_000])
    monkeypatch.setattr("app.dialects.ollama.stream.time", SimpleNamespace(monotonic_ns=lambda: next(ticks)))

    last = chat_stream(STOPPED)[-1]

    assert (last["prompt_eval_duration"], last["eval_duration"]) == (1_000, 0)


def test_model_and_time_that_the_provider_did_not_say_are_what_the_call_knows() -> None:
    (last,) = lines_of(written_by(OLLAMA.write_stream(ABOUT), [Started(), STOPPED]))

    assert (last["model"], last["created_at"]) == ("asked", CREATED_AT)


@pytest.mark.parametrize("created", [-1, 10**18])
def test_time_that_no_calendar_has_does_no_harm(created: int) -> None:
    (last,) = lines_of(written_by(OLLAMA.write_stream(ABOUT), [Started(created=created), STOPPED]))

    assert last["created_at"].endswith("Z")


def test_tool_call_has_one_line_when_its_arguments_are_complete() -> None:
    lines = chat_stream(
        ToolCallStarted(0, "call_a", "add"),
        ToolCallDelta(0, '{"a":'),
        ToolCallDelta(0, "1}"),
        TextDelta("Done."),
        STOPPED,
    )

    call = {"id": "call_a", "function": {"index": 0, "name": "add", "arguments": {"a": 1}}}
    assert messages(lines) == [{"content": "", "tool_calls": [call]}, {"content": "Done."}]


def test_complete_tool_call_does_not_wait_for_the_next_ones_end() -> None:
    writer = OLLAMA.write_stream(ABOUT)
    written_by(writer, [STARTED, ToolCallStarted(0, "a", "f"), ToolCallDelta(0, "{}")])

    written = writer.write(ToolCallStarted(1, "b", "g"))

    assert lines_of(written)[0]["message"]["tool_calls"][0]["id"] == "a"


def test_tool_calls_whose_arguments_come_by_turns_stay_apart_and_in_order() -> None:
    lines = chat_stream(
        ToolCallStarted(0, "a", "f"),
        ToolCallStarted(1, "b", "g"),
        ToolCallDelta(1, '{"y":2}'),
        ToolCallDelta(0, '{"x":1}'),
        Finished("tool_calls"),
    )

    functions = [message["tool_calls"][0]["function"] for message in messages(lines)]
    assert functions == [
        {"index": 0, "name": "f", "arguments": {"x": 1}},
        {"index": 1, "name": "g", "arguments": {"y": 2}},
    ]


def test_tool_call_without_arguments_has_an_empty_object() -> None:
    lines = chat_stream(ToolCallStarted(0, "a", "f"), Finished("tool_calls"))

    assert messages(lines)[0]["tool_calls"][0]["function"]["arguments"] == {}


@pytest.mark.parametrize("text", ['{"a":', "[1]", "not JSON"])
def test_arguments_that_are_no_object_are_kept_beside_an_empty_one(text: str) -> None:
    events: list[Event] = [
        STARTED,
        ToolCallStarted(0, "a", "f"),
        ToolCallDelta(0, text),
        Finished("tool_calls", STOPPED.usage),
    ]

    body = written_by(OLLAMA.write_stream(ABOUT), events)

    function = messages(lines_of(body))[0]["tool_calls"][0]["function"]
    assert (function["arguments"], function["unparsed_arguments"]) == ({}, text)
    assert read_in([body]) == events


def test_sources_are_told_in_the_last_line() -> None:
    lines = chat_stream(
        TextDelta("It is"), Citation("https://a.test", title="A", start=0, end=5), TextDelta(" so."), STOPPED
    )

    assert [line for line in lines if "citations" in line] == lines[-1:]
    assert lines[-1]["citations"] == [{"url": "https://a.test", "title": "A", "start": 0, "end": 5}]


def test_foreign_signatures_travel_and_come_back() -> None:
    proof, hidden = Signature("c2ln", "anthropic"), Signature("aGlkZGVu", "anthropic")
    events: list[Event] = [
        STARTED,
        ReasoningDelta("Hm."),
        ReasoningSigned(proof),
        ReasoningSigned(hidden, redacted=True),
        ToolCallStarted(0, "a", "f", Signature("c2ln", "gemini")),
        ToolCallDelta(0, "{}"),
        Finished("tool_calls", STOPPED.usage),
    ]

    body = written_by(OLLAMA.write_stream(ABOUT), events)

    said = messages(lines_of(body))
    assert said[1] == {"content": "", "thinking_signature": "lr.anthropic.c2ln"}
    assert said[2] == {"content": "", "thinking_redacted": ["lr.anthropic.aGlkZGVu"]}
    assert said[3]["tool_calls"][0]["signature"] == "lr.gemini.c2ln"
    assert read_in([body]) == events


def test_refusal_is_told_as_content() -> None:
    lines = chat_stream(RefusalDelta("No."), Finished("refusal"))

    assert messages(lines) == [{"content": "No."}]
    assert lines[-1]["done_reason"] == "refusal"


def test_picture_is_told_as_bare_base64() -> None:
    picture = ImageMade(Image(data="iVBORw0KGgo=", media_type="image/png"))

    chat, generate = chat_stream(picture, STOPPED), generate_stream(picture, STOPPED)

    assert chat[0]["message"]["images"] == ["iVBORw0KGgo="]
    assert generate[0]["image"] == "iVBORw0KGgo="


def test_picture_that_is_elsewhere_is_linked_to() -> None:
    lines = chat_stream(ImageMade(Image(url="https://a.test/b.png")), STOPPED)

    assert messages(lines) == [{"content": "![](https://a.test/b.png)"}]


def test_failure_is_one_line_and_the_last() -> None:
    writer = OLLAMA.write_stream(ABOUT)

    body = written_by(writer, [STARTED, TextDelta("Hel"), Failed("it broke", status=529)])

    assert lines_of(body)[1:] == [{"error": "it broke"}]


@pytest.mark.parametrize(
    "calls",
    [
        [{"function": {"name": "f", "arguments": {}}}, {"function": {"name": "g", "arguments": {}}}],
        [{"function": {"index": 0, "name": name, "arguments": {}}} for name in "fg"],
        [{"id": "same", "function": {"index": 7, "name": name}} for name in "fg"],
        [{"id": "", "function": {"name": name, "arguments": ""}} for name in "fg"],
    ],
)
@pytest.mark.parametrize("lines", [1, 2])
def test_two_tool_calls_have_two_indexes_and_two_ids(calls: list[Any], lines: int) -> None:
    parts = [calls] if lines == 1 else [[call] for call in calls]

    events = read_lines(*[{"message": {"tool_calls": part}, "done": False} for part in parts], {"done": True})

    started = [event for event in events if isinstance(event, ToolCallStarted)]
    assert [(event.index, event.name) for event in started] == [(0, "f"), (1, "g")]
    assert len({event.id for event in started} - {""}) == 2
    assert [event.arguments for event in events if isinstance(event, ToolCallDelta)] == ["{}", "{}"]
    assert events[-1] == Finished("tool_calls")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ({"done_reason": "stop"}, "stop"),
        ({"done_reason": "length"}, "length"),
        ({"done_reason": "load"}, "stop"),
        ({"done_reason": "unload"}, "stop"),
        ({"done_reason": "something new"}, "stop"),
        ({"done_reason": 5}, "stop"),
        ({}, "stop"),
    ],
)
def test_reasons(line: dict[str, Any], wanted: str) -> None:
    events = read_lines({"message": {"content": "Hi"}, "done": True, **line})

    assert events[1:] == [TextDelta("Hi"), Finished(wanted)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("counters", "usage"),
    [
        ({"prompt_eval_count": 3, "eval_count": 5}, Usage(input=3, output=5)),
        ({"eval_count": 5}, Usage(output=5)),
        ({"prompt_eval_count": 3}, Usage(input=3)),
        ({}, None),
        ({"prompt_eval_count": 0, "eval_count": 0}, None),
        ({"prompt_eval_count": -3, "eval_count": 5}, None),
        ({"prompt_eval_count": True, "eval_count": 5}, None),
        ({"prompt_eval_count": "3", "eval_count": 5}, None),
    ],
)
def test_usage(counters: dict[str, Any], usage: Usage | None) -> None:
    events = read_lines({"message": {"content": "Hi"}, "done": True, **counters})

    assert events[-1] == Finished("stop", usage)


@pytest.mark.parametrize(
    ("created_at", "created"),
    [
        ("2025-08-14T15:49:43.634137516-07:00", 1_755_211_783),
        ("2024-05-24T20:26:46.294874Z", 1_716_582_406),
        ("2025-01-30", 1_738_195_200),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (1_716_582_406, None),
        (None, None),
    ],
)
def test_times(created_at: Any, created: int | None) -> None:
    events = read_lines({"model": "m", "created_at": created_at, "message": {"content": "Hi"}, "done": True})

    assert events[0] == Started(model="m", created=created)


def test_lines_that_are_blank_or_of_an_unknown_kind_are_skipped() -> None:
    body = b'\n{"status":"loading"}\r\n \r\n{"message":{"content":"Hi","new":1},"more":[]}\r\n{"done":true}\n'

    events = read_in([body])

    assert events == [Started(), TextDelta("Hi"), Finished("stop")]


def test_nothing_follows_the_last_line() -> None:
    reader = StreamReader()

    events = reader.feed(b'{"message":{"content":"Hi"},"done":true}\n{"message":{"content":"more"}}\nrubbish\n')

    assert events[1:] == [TextDelta("Hi"), Finished("stop")]
    assert reader.ended
    assert reader.feed(b"rubbish\n") == []
    assert reader.close(certain=False) == []


def test_half_a_character_is_repaired() -> None:
    events = read_in(['{"message":{"content":"é"},"done":true}'.encode().replace(b"\xc3\xa9", b"\xc3")])

    assert events[1] == TextDelta("\ufffd")


def test_answer_with_its_whole_body_but_without_a_last_line_is_taken_for_whole() -> None:
    events = read_in([b'{"message":{"content":"Hi"},"done":false}\n'], certain=True)

    assert events[-1] == Finished("stop")


@pytest.mark.parametrize(
    ("body", "certain"),
    [
        (b"", True),
        (b"", False),
        (b'{"message":{"content":"Hi"},"done":false}\n', False),
        (b'{"message":{"content":"Hi"},"done":false}\n{"mess', True),
        (b'{"status":"loading"}\n', True),
    ],
)
def test_stream_without_a_proper_end_is_cut(body: bytes, certain: bool) -> None:
    with pytest.raises(UpstreamCut):
        read_in([body], certain=certain)


@pytest.mark.parametrize(
    "line",
    [
        "<html>",
        "[]",
        "5",
        '{"message":"Hi"}',
        '{"message":{"content":["Hi"]}}',
        '{"message":{"thinking":5}}',
        '{"response":{}}',
        '{"message":{"images":[5]}}',
        '{"message":{"images":"iVBO"}}',
        '{"message":{"tool_calls":{}}}',
        '{"message":{"tool_calls":["f"]}}',
        '{"message":{"tool_calls":[{"function":"f"}]}}',
        '{"message":{"tool_calls":[{"function":{"name":""}}]}}',
        '{"message":{"tool_calls":[{"function":{"name":"f","arguments":[1]}}]}}',
    ],
)
def test_what_is_not_of_the_dialect_is_refused(line: str) -> None:
    with pytest.raises(UpstreamInvalid):
        StreamReader().feed(line.encode() + b"\n")


def test_arguments_that_a_server_sends_as_text_are_kept() -> None:
    events = read_lines(
        {"message": {"tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}]}, "done": True}
    )

    assert events[2] == ToolCallDelta(0, '{"a": 1}')


def test_extensions_of_a_wrong_type_are_skipped() -> None:
    said = {"content": "Hi", "thinking_signature": 5, "thinking_redacted": [None, 5, ""]}
    sources = [None, {"url": 5}, {"url": "https://a.test", "title": 5, "start": True}]

    events = read_lines({"message": said, "citations": sources, "done": True})

    assert events[1:-1] == [TextDelta("Hi"), Citation("https://a.test")]


def test_error_before_anything_else_is_a_failure() -> None:
    events = read_lines({"error": "model 'x' not found"})

    assert [type(event) for event in events] == [Started, Failed]


def test_keys_are_taken_out_of_an_error() -> None:
    events = read_lines({"error": "bad key sk-proj-abcdefghijkl"})

    assert isinstance(events[-1], Failed)
    assert "abcdefghijkl" not in str(events[-1])


def test_line_without_an_end_is_refused_when_it_is_too_long() -> None:
    buffer = LineBuffer(max_line_bytes=10)

    with pytest.raises(UpstreamInvalid):
        buffer.feed(b"x" * 11)
