"""The JSON array of streamGenerateContent: what Google's own provider says goes into it as it came."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.core.call import Call
from app.core.errors import UpstreamCut
from app.dialects.convert import incoming, outgoing
from app.dialects.splice import Additions
from tests.calls import make_call
from tests.recordings import Recording, recorded

STREAMS = [each for each in recorded("generate.*", "gemini") if each.values[0] is None or each.values[0].streamed]


def asked() -> Call:
    body = b'{"contents" : [{"role":"user","parts":[{"text":"Hi"}]}], "unknown": 1}'
    return replace(make_call(), dialect="gemini-array", payload=json.loads(body), body=body, streamed=True, name="g")


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def array_of(stream: bytes, size: int) -> bytes:
    reading = incoming(asked(), provider="Google", model="g", dialect="gemini")
    out = b"".join([reading.feed(piece) for piece in pieces(stream, size)])
    return out if reading.ended else out + reading.close(certain=True)


def test_request_passes_as_it_is() -> None:
    call = asked()

    sent = outgoing(call, "g", Additions(), dialect="gemini")

    assert sent.body == call.body


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize("recording", STREAMS)
def test_items_are_what_the_provider_sent(recording: Recording, size: int) -> None:
    stream = recording.body
    events = [line[5:] for line in stream.replace(b"\r\n", b"\n").split(b"\n") if line.startswith(b"data:")]

    items = json.loads(array_of(stream, size))

    assert items == [json.loads(event) for event in events]


def test_error_in_the_midst_is_the_last_item_and_the_array_ends() -> None:
    chunk = {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}]}
    error = {"error": {"code": 503, "message": "sorry", "status": "UNAVAILABLE"}}
    stream = b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in (chunk, error))

    assert json.loads(array_of(stream, 5)) == [chunk, error]


def test_stream_that_is_cut_is_told_of() -> None:
    reading = incoming(asked(), provider="Google", model="g", dialect="gemini")
    reading.feed(b'data: {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}]}\r\n\r\n')

    with pytest.raises(UpstreamCut):
        reading.close(certain=False)


def test_usage_is_read_on_the_side() -> None:
    chunk = {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
    }
    reading = incoming(asked(), provider="Google", model="g", dialect="gemini")
    reading.feed(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n")
    reading.close(certain=True)

    assert (reading.read_usage().input, reading.read_usage().output) == (3, 2)
