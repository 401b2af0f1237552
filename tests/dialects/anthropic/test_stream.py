"""A provider's stream: where it ends, where it has been cut, and what is no stream."""

import json

import pytest

from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.events import Finished, Started, TextDelta
from app.core.usage import Usage
from app.dialects.anthropic.stream import MessageReader
from tests.dialects.anthropic.saying import event, read

START = event({"type": "message_start", "message": {"id": "m1", "model": "c", "usage": {"input_tokens": 3}}})
TEXT = event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hé"}})
WHY = event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}})
STOP = event({"type": "message_stop"})
STREAM = START + TEXT + WHY + STOP
EVENTS = [Started("m1", "c"), TextDelta("Hé"), Finished("stop", Usage(input=3, output=2))]


@pytest.mark.parametrize(
    "stream",
    [
        STREAM,
        b"\xef\xbb\xbf" + STREAM,
        STREAM.replace(b"\n", b"\r\n"),
        b": comment\n\n" + STREAM,
        b"".join(part[part.index(b"data:") :] for part in STREAM.split(b"event:")[1:]),  # without names
        START + TEXT + WHY + b"data: [DONE]\n\n" + STOP,
        START + TEXT + WHY,  # it is told why, so that nothing is missing
        STREAM.removesuffix(b"\n\n"),
        STREAM + TEXT + b"garbage\n\n",
        STREAM.replace(b"\\u00e9", "é".encode()),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_stream_is_read_in_all_its_shapes(stream: bytes, size: int) -> None:
    assert read([stream[at : at + size] for at in range(0, len(stream), size)]) == EVENTS


def test_half_a_character_is_repaired() -> None:
    stream = STREAM.replace(b"\\u00e9", "é".encode()[:1])

    assert read([stream])[1] == TextDelta("H\ufffd")


@pytest.mark.parametrize("stream", [b"", START, START + TEXT, START + TEXT + WHY[:40], START + b"data: {\n"])
def test_stream_that_breaks_off_has_been_cut_however_properly_its_bytes_ended(stream: bytes) -> None:
    reader = MessageReader()
    reader.feed(stream)

    with pytest.raises(UpstreamCut):
        reader.close(certain=True)


@pytest.mark.parametrize("data", [b"{", b"[]", b"5", b"<html>"])
def test_event_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(UpstreamInvalid):
        MessageReader().feed(START + b"data: " + data + b"\n\n")


def test_nothing_follows_the_end() -> None:
    reader = MessageReader()

    events = reader.feed(STREAM)

    assert events == EVENTS
    assert reader.ended
    assert reader.feed(TEXT) == []
    assert reader.close(certain=False) == []


def test_error_is_the_end() -> None:
    reader = MessageReader()

    events = reader.feed(event({"type": "error", "error": {"type": "api_error", "message": "No"}}) + STREAM)

    assert len(events) == 1
    assert reader.ended
    assert reader.close(certain=True) == []


def test_large_event_is_read() -> None:
    text = "x" * 100_000

    events = read([START, TEXT.replace(b'"H\\u00e9"', json.dumps(text).encode()), WHY])

    assert events[1] == TextDelta(text)
