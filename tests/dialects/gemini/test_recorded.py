"""Every recorded reply: read in any pieces, it says what Google's SDK reads from the same bytes, and so it is written anew."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from app.core.errors import UpstreamCut
from app.core.events import Event, Started, ToolCallStarted, fold, merge
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.stream import StreamReader, write_array_stream
from tests.dialects.gemini.sdk import FILTERED, Said, answered, said_by_sdk, said_by_us, streamed
from tests.recordings import Recording, recorded

ABOUT = About("req-1", "demo", 1_700_000_000, wants_usage=True, payload={})


def recordings(*, are_streams: bool) -> list[Any]:
    """The answers that are no errors; where there are no recordings, the one parameter that skips."""
    return [
        param
        for param in recorded("generate.*", "gemini")
        if not isinstance(recording := param.values[0], Recording)
        or (recording.streamed is are_streams and recording.status == 200)
    ]


WHOLE = pytest.mark.parametrize("recording", recordings(are_streams=False))
STREAMED = pytest.mark.parametrize("recording", recordings(are_streams=True))


def read_in(pieces: Iterable[bytes]) -> list[Event]:
    reader = StreamReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    events += reader.close(certain=True)
    assert reader.ended
    return events


def comparable(events: list[Event]) -> list[Event]:
    """Joined, and without the ids that the reader made: Gemini 2.5 gives calls none."""
    return [
        ToolCallStarted(event.index, "", event.name, event.signature) if isinstance(event, ToolCallStarted) else event
        for event in merge(events)
    ]


def chunks_of(recording: Recording) -> list[Any]:
    lines = recording.body.splitlines()
    return [json.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: ")]


def compared(said: Said) -> Said:
    """Without what differs for a reason: sources without an address, and reasons that are the same to others."""
    said.reason = "SAFETY" if said.reason in FILTERED else said.reason
    said.sources = []
    return said


@WHOLE
def test_whole_reply_says_what_the_sdk_reads(recording: Recording) -> None:
    document = json.loads(recording.body)

    completion = fold(GEMINI.read_reply(document))

    assert said_by_us(completion) == compared(said_by_sdk(answered(document)))


@STREAMED
def test_stream_says_what_the_sdk_reads(recording: Recording) -> None:
    completion = fold(read_in([recording.body]))

    assert said_by_us(completion) == compared(said_by_sdk(streamed(recording.body)))


@STREAMED
def test_stream_is_the_same_one_byte_at_a_time(recording: Recording) -> None:
    body = recording.body

    events = read_in(body[index : index + 1] for index in range(len(body)))

    assert comparable(events) == comparable(read_in([body]))


@STREAMED
def test_stream_is_the_same_in_any_two_pieces(recording: Recording) -> None:
    body = recording.body
    expected = comparable(read_in([body]))

    for cut in range(0, len(body), max(1, len(body) // 60)):
        assert comparable(read_in([body[:cut], body[cut:]])) == expected


@STREAMED
def test_stream_is_the_same_in_the_reads_of_a_socket(recording: Recording) -> None:
    reads = recording.reads or [recording.body]

    assert comparable(read_in(reads)) == comparable(read_in([recording.body]))


@STREAMED
def test_stream_says_what_the_list_of_its_chunks_says(recording: Recording) -> None:
    events = GEMINI.read_reply(chunks_of(recording))

    assert comparable(events) == comparable(read_in([recording.body]))


@STREAMED
@pytest.mark.parametrize("certain", [True, False])
def test_stream_without_its_last_event_is_cut(recording: Recording, *, certain: bool) -> None:
    last = recording.body.rstrip().rfind(b"data: ")
    reader = StreamReader()
    reader.feed(recording.body[:last])

    with pytest.raises(UpstreamCut):
        reader.close(certain=certain)


@STREAMED
def test_stream_that_breaks_off_in_its_last_event_is_cut(recording: Recording) -> None:
    reader = StreamReader()
    reader.feed(recording.body.rstrip()[:-1])

    with pytest.raises(UpstreamCut):
        reader.close(certain=False)


@WHOLE
def test_whole_reply_is_written_as_the_sdk_reads_it(recording: Recording) -> None:
    events = GEMINI.read_reply(json.loads(recording.body))

    written = GEMINI.write_reply(fold(events), ABOUT)

    said = said_by_sdk(answered(written))
    assert compared(said) == said_by_us(fold(events))
    assert comparable(GEMINI.read_reply(written)) == comparable(with_start(events))


@STREAMED
def test_stream_is_written_as_the_sdk_reads_it(recording: Recording) -> None:
    events = read_in([recording.body])
    writer = GEMINI.write_stream(ABOUT)

    body = b"".join([writer.write(event) for event in events])

    assert compared(said_by_sdk(streamed(body))) == said_by_us(fold(events))
    assert comparable(read_in([body])) == comparable(with_start(events))


@STREAMED
def test_array_is_written_as_the_sdk_reads_it(recording: Recording) -> None:
    events = read_in([recording.body])
    writer = write_array_stream(ABOUT)

    body = b"".join([writer.write(event) for event in events])

    chunks = json.loads(body)
    assert compared(said_by_sdk(answered(chunks))) == said_by_us(fold(events))
    assert comparable(GEMINI.read_reply(chunks)) == comparable(with_start(events))


@STREAMED
def test_first_chunk_tells_who_answers(recording: Recording) -> None:
    first = chunks_of(recording)[0]

    [started, *_] = read_in([recording.body])

    assert started == Started(first["responseId"], first["modelVersion"])


@pytest.mark.parametrize(
    ("case", "usage"),
    [
        ("cached-usage", Usage(input=13, cache_read=9609, output=35, reasoning=136)),
        ("web-search", Usage(input=95 + 439, output=66, reasoning=132)),
        ("length", Usage(input=15, reasoning=2)),
    ],
)
def test_classes_of_usage_do_not_overlap(case: str, usage: Usage) -> None:
    [param] = recorded(f"generate.{case}", "gemini")
    recording = param.values[0]
    if not isinstance(recording, Recording):
        pytest.skip("no recordings")
    document = json.loads(recording.body)

    completion = fold(GEMINI.read_reply(document))

    assert completion.usage == usage
    assert completion.usage.total == document["usageMetadata"]["totalTokenCount"]


def with_start(events: list[Event]) -> list[Event]:
    """The same with the time that is told where the provider told none."""
    [started, *rest] = events
    assert isinstance(started, Started)
    return [Started(started.id, started.model, ABOUT.created), *rest]
