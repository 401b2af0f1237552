"""What pictures, speech, transcripts and moderations used: as OpenAI's API reference has their reports, in any pieces."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.core.usage import NO_USAGE, Usage
from app.dialects.convert import incoming
from tests.calls import make_call

PICTURE = "iVBORw0KGgo" * 2000
IMAGE_USAGE = {
    "total_tokens": 1630,
    "input_tokens": 50,
    "input_tokens_details": {"image_tokens": 38, "text_tokens": 12},
    "output_tokens": 1580,
}
HEARD_USAGE = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
    "output_tokens": 45,
    "total_tokens": 59,
}


def used(dialect: str, body: bytes, size: int = 0, **payload: Any) -> Usage:
    call = replace(make_call(payload), dialect=dialect)
    reading = incoming(call, provider="Acme", model="m", dialect=dialect)
    for start in range(0, len(body), size or max(len(body), 1)):
        piece = body[start : start + (size or len(body))]
        assert reading.feed(piece) == piece
    assert reading.close(certain=True) == b""
    return reading.read_usage()


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def events(*documents: Any) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (each["type"].encode(), encoded(each)) for each in documents)


IMAGES = [
    ({"data": [{"b64_json": PICTURE}, {"b64_json": PICTURE}], "usage": IMAGE_USAGE}, Usage(12, images=2)),
    ({"data": [{"url": "https://x/1", "revised_prompt": 'a "url": and "b64_json": '}]}, Usage(images=1)),
    ({"data": [{"b64_json": PICTURE, "url": None}]}, Usage(images=1)),
    ({"data": [{"url": "x"}], "usage": {"cost_in_usd_ticks": 200000000}}, Usage(images=1, cost=Decimal("0.02"))),
    ({"data": [], "usage": IMAGE_USAGE}, Usage(12)),
    ({"data": []}, Usage(1, estimated=True)),
]


@pytest.mark.parametrize("size", [0, 1, 7, 4096])
@pytest.mark.parametrize(("reply", "usage"), IMAGES)
def test_pictures_are_counted_and_their_tokens_are_of_images(reply: Any, usage: Usage, size: int) -> None:
    if reply.get("usage") is IMAGE_USAGE:
        usage = usage._replace(input_image=38, output_image=1580)

    assert used("openai-images", encoded(reply), size, prompt="Cat") == usage


def test_text_that_is_made_beside_pictures_is_no_picture() -> None:
    report = {**IMAGE_USAGE, "output_tokens_details": {"image_tokens": 1500, "text_tokens": 80}}

    usage = used("openai-images", encoded({"data": [{"b64_json": PICTURE}], "usage": report}))

    assert (usage.output_image, usage.output, usage.total) == (1500, 80, 1630)


@pytest.mark.parametrize("size", [0, 1])
def test_previews_in_a_stream_of_pictures_do_not_count(size: int) -> None:
    body = events(
        {"type": "image_generation.partial_image", "b64_json": PICTURE, "partial_image_index": 0},
        {"type": "image_generation.completed", "b64_json": PICTURE, "usage": IMAGE_USAGE},
    )

    assert used("openai-images", body, size, stream=True).images == 1


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize(
    ("body", "usage"),
    [
        (encoded({"text": "Hi", "usage": HEARD_USAGE}), Usage(4, output=45, input_audio=10)),
        (encoded({"text": "Hi", "usage": {"type": "duration", "seconds": 9}}), Usage(audio_ms=9000)),
        (encoded({"text": "Hi", "usage": {"type": "duration", "seconds": 9.5}}), Usage(audio_ms=9500)),
        (encoded({"task": "transcribe", "duration": 8.47, "text": "Hi " * 4000}), Usage(audio_ms=8470)),
        (b"1\n00:00:00,000 --> 00:00:01,000\nImagine\n\n", Usage(output=11, estimated=True)),
    ],
    ids=["tokens", "seconds", "parts-of-seconds", "verbose", "subtitles"],
)
def test_transcripts_tell_tokens_or_seconds_or_are_estimated(body: bytes, usage: Usage, size: int) -> None:
    assert used("openai-transcriptions", body, size) == usage
    assert used("openai-translations", body, size) == usage


def test_stream_of_a_transcript_is_counted_by_its_end_and_before_that_by_its_deltas() -> None:
    deltas = events(*[{"type": "transcript.text.delta", "delta": "word "}] * 3)
    done = events({"type": "transcript.text.done", "text": "word word word", "usage": HEARD_USAGE})

    assert used("openai-transcriptions", deltas, stream=True) == Usage(output=3, estimated=True)
    assert used("openai-transcriptions", deltas + done, 1, stream=True) == Usage(4, output=45, input_audio=10)


def test_speech_is_counted_by_its_events_or_estimated_by_its_text() -> None:
    done = {"type": "speech.audio.done", "usage": {"input_tokens": 9, "output_tokens": 80, "total_tokens": 89}}
    asked: dict[str, Any] = {"input": "x" * 41, "instructions": "y" * 3}

    assert used("openai-speech", events(done), **asked) == Usage(9, output_audio=80)
    assert used("openai-speech", b"\xff\xfb\x90" * 9000, **asked) == Usage(11, estimated=True)


@pytest.mark.parametrize(
    ("asked", "tokens"), [("x" * 9, 3), (["x" * 4, "y" * 4], 2), ([{"type": "text", "text": "x" * 4}], 1)]
)
def test_moderations_are_estimated_by_their_texts(asked: Any, tokens: int) -> None:
    assert used("openai-moderations", b'{"results":[]}', input=asked) == Usage(tokens, estimated=True)


def test_nothing_is_estimated_of_nothing() -> None:
    assert used("openai-moderations", b'{"results":[]}', input=None) == NO_USAGE
