"""Every recorded reply: read as OpenAI's SDK reads it, in any pieces, and written so that the SDK reads the same again."""

import json
from typing import Any

import pytest

from app.core.events import Completion, Event, Failed, Finished, fold, merge
from app.dialects.dialect import About
from app.dialects.responses.dialect import RESPONSES
from tests.dialects.openai.folding import cut
from tests.dialects.responses.sdk import (
    EVENT,
    Said,
    accumulate,
    constructed,
    events_of,
    said_by,
    said_by_sdk,
    validated,
)
from tests.recordings import Recording, recorded

PROVIDERS = ("openai", "xai", "openrouter")
ALL = recorded("responses.*", *PROVIDERS)
GOOD = [
    param
    for param in ALL
    if not isinstance(param.values[0], Recording)
    or (param.values[0].status == 200 and "stream-error" not in str(param.values[0]))
]
STREAMS = [param for param in GOOD if not isinstance(param.values[0], Recording) or param.values[0].streamed]
ERRORS = [param for param in ALL if not isinstance(param.values[0], Recording) or param.values[0].status >= 400]
EACH_REPLY = pytest.mark.parametrize("recording", GOOD)
EACH_STREAM = pytest.mark.parametrize("recording", STREAMS)

# As many ways to split a stream in two as are looked at.
SPLITS = 40


def read_stream(*pieces: bytes) -> list[Event]:
    reader = RESPONSES.read_stream()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events if reader.ended else events + reader.close(certain=False)


def read(recording: Recording) -> list[Event]:
    return read_stream(recording.body) if recording.streamed else RESPONSES.read_reply(json.loads(recording.body))


def by_sdk(recording: Recording) -> Said:
    document = accumulate(events_of(recording.body)) if recording.streamed else constructed(json.loads(recording.body))
    return said_by_sdk(document)


def about(recording: Recording) -> About:
    return About("req_1", "m", 1_700_000_000, wants_usage=True, payload=recording.request)


def written_stream(events: list[Event], recording: Recording) -> bytes:
    writer = RESPONSES.write_stream(about(recording))
    return b"".join([writer.write(event) for event in events])


@EACH_REPLY
def test_reply_says_what_the_sdk_reads(recording: Recording) -> None:
    completion = fold(read(recording))

    assert said_by(completion) == by_sdk(recording)
    assert completion.parts


@EACH_REPLY
def test_beginning_is_told_once_and_first(recording: Recording) -> None:
    events = read(recording)
    document = events_of(recording.body)[0]["response"] if recording.streamed else json.loads(recording.body)

    started, *others = events

    assert (started.id, started.model, started.created) == (  # type: ignore[union-attr]
        document["id"],
        document["model"],
        document["created_at"],
    )
    assert not [event for event in others if type(event) is type(started)]
    assert isinstance(events[-1], Finished)


@EACH_STREAM
def test_stream_is_the_same_byte_by_byte(recording: Recording) -> None:
    assert merge(read_stream(*cut(recording.body, 1))) == merge(read(recording))


@EACH_STREAM
def test_stream_is_the_same_wherever_it_is_split(recording: Recording) -> None:
    body, whole = recording.body, merge(read(recording))

    for at in range(1, len(body), max(len(body) // SPLITS, 1)):
        assert merge(read_stream(body[:at], body[at:])) == whole


@EACH_STREAM
def test_stream_without_pieces_loses_nothing(recording: Recording) -> None:
    """Some providers send each item whole, others the response only."""
    events = events_of(recording.body)
    items = [event for event in events if not event["type"].endswith((".delta", "text.done", "part.done", "ts.done"))]
    response = [event for event in events if event["type"] in ("response.created", "response.completed")]

    for kept in (items, response):
        body = b"".join([b"data: " + json.dumps(event).encode() + b"\n\n" for event in kept])
        assert said_by(fold(read_stream(body))) == by_sdk(recording)


@EACH_STREAM
def test_stream_of_pieces_only_loses_nothing(recording: Recording) -> None:
    def stripped(event: dict[str, Any]) -> dict[str, Any]:
        return {**event, "response": {**event["response"], "output": []}} if "response" in event else event

    events = [stripped(event) for event in events_of(recording.body)]
    body = b"".join([b"data: " + json.dumps(event).encode() + b"\n\n" for event in events])

    assert merge(read_stream(body)) == merge(read(recording))


@EACH_REPLY
def test_written_reply_says_the_same_to_the_sdk(recording: Recording) -> None:
    completion = fold(read(recording))

    reply = RESPONSES.write_reply(completion, about(recording))

    assert said_by_sdk(validated(reply)) == said_by(completion)
    assert said_by(fold(RESPONSES.read_reply(reply))) == said_by(completion)


@EACH_REPLY
def test_written_stream_says_the_same_to_the_sdk(recording: Recording) -> None:
    events = read(recording)

    written = events_of(written_stream(events, recording))

    for event in written:
        EVENT.validate_python(event)
    assert said_by_sdk(accumulate(written)) == said_by(fold(events))


@EACH_REPLY
def test_written_stream_comes_to_the_written_reply(recording: Recording) -> None:
    events = read(recording)

    written = events_of(written_stream(events, recording))

    assert written[-1]["response"] == RESPONSES.write_reply(fold(events), about(recording))


@EACH_REPLY
def test_written_stream_is_read_again(recording: Recording) -> None:
    completion: Completion = fold(read(recording))

    again = fold(read_stream(written_stream(read(recording), recording)))

    assert said_by(again) == said_by(completion)


@pytest.mark.parametrize("recording", ERRORS)
def test_error_response_keeps_status_message_and_type(recording: Recording) -> None:
    document = json.loads(recording.body)
    recorded_error = document["error"] if isinstance(document["error"], dict) else {"message": document["error"]}

    error = RESPONSES.read_error(recording.status, recording.body, "Acme", None, ())
    written = json.loads(RESPONSES.write_error(error))["error"]

    assert error.status == recording.status
    assert {key: written[key] for key in recorded_error} == recorded_error


@pytest.mark.parametrize("recording", recorded("responses.stream-error*", *PROVIDERS))
def test_error_inside_a_stream_ends_it_in_the_providers_words(recording: Recording) -> None:
    reader = RESPONSES.read_stream()
    told = next(event["error"] for event in events_of(recording.body) if event["type"] == "error")

    failed = reader.feed(recording.body)[-1]

    assert isinstance(failed, Failed)
    assert (failed.message, failed.type, failed.code, failed.status) == (
        told["message"],
        told["type"],
        told["code"],
        429,
    )
    assert reader.ended
    assert reader.feed(recording.body) == []
