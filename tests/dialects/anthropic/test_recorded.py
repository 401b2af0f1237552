"""Every recorded reply: the gateway reads what Anthropic's SDK reads, in any pieces, and writes what says the same."""

import json
from typing import Any

import pytest
from anthropic.types import Message

from app.core.events import Failed, Started, fold, merge
from app.core.usage import Usage
from app.dialects.anthropic.reply import read_reply, write_reply
from app.dialects.anthropic.writer import MessageWriter
from tests.dialects.anthropic.saying import (
    ABOUT,
    Said,
    by_gateway,
    by_sdk,
    check_events,
    cut,
    read,
    sdk_stream,
)
from tests.recordings import Recording, recorded

RECORDED = recorded("messages.*", "anthropic")
# The SDK passes over what compaction used, which is told beside the totals.
COMPACTED = {"messages.cached-usage-stream": Usage(input=100, cache_read=55096, output=83)}


def those(*, streamed: bool) -> list[Any]:
    return [
        param
        for param in RECORDED
        if param.marks
        or (param.values[0].status == 200 and param.values[0].streamed is streamed and "error" not in param.id)
    ]


EACH_WHOLE = pytest.mark.parametrize("recording", those(streamed=False))
EACH_STREAM = pytest.mark.parametrize("recording", those(streamed=True))


def expected(recording: Recording) -> Said:
    message = sdk_stream(recording.body) if recording.streamed else Message.model_validate(json.loads(recording.body))
    said = by_sdk(message)
    more = COMPACTED.get(recording.path.stem, Usage())
    said.usage = said.usage._replace(
        input=said.usage.input + more.input,
        cache_read=said.usage.cache_read + more.cache_read,
        output=said.usage.output + more.output,
    )
    return said


@EACH_WHOLE
def test_whole_reply_says_what_the_sdk_reads(recording: Recording) -> None:
    events = read_reply(json.loads(recording.body))

    assert by_gateway(fold(events)) == expected(recording)
    assert isinstance(events[0], Started)


@EACH_STREAM
def test_stream_says_what_the_sdk_reads(recording: Recording) -> None:
    events = read([recording.body])

    assert by_gateway(fold(events)) == expected(recording)
    assert isinstance(events[0], Started)


@EACH_STREAM
def test_byte_by_byte_makes_no_difference(recording: Recording) -> None:
    assert merge(read(cut(recording.body, 1))) == merge(read([recording.body]))


@EACH_STREAM
def test_split_makes_no_difference_wherever_it_is(recording: Recording) -> None:
    whole = merge(read([recording.body]))
    step = max(1, len(recording.body) // 20)

    for at in range(1, len(recording.body), step):
        assert merge(read([recording.body[:at], recording.body[at:]])) == whole


@pytest.mark.parametrize("recording", recorded("messages.*-reads", "anthropic"))
def test_reads_of_a_real_socket_make_no_difference(recording: Recording) -> None:
    assert recording.reads is not None

    assert merge(read(recording.reads)) == merge(read([recording.body]))


@EACH_WHOLE
def test_whole_reply_that_is_written_says_the_same_to_the_sdk(recording: Recording) -> None:
    completion = fold(read_reply(json.loads(recording.body)))

    written = Message.model_validate(json.loads(json.dumps(write_reply(completion, ABOUT))))

    assert by_sdk(written) == expected(recording)


@EACH_STREAM
def test_stream_that_is_written_says_the_same_to_the_sdk(recording: Recording) -> None:
    writer = MessageWriter(ABOUT)

    written = b"".join([writer.write(event) for event in read([recording.body])])

    check_events(written)
    assert by_sdk(sdk_stream(written)) == expected(recording)


@EACH_WHOLE
def test_whole_reply_written_as_a_stream_says_the_same_to_the_sdk(recording: Recording) -> None:
    writer = MessageWriter(ABOUT)

    written = b"".join([writer.write(event) for event in read_reply(json.loads(recording.body))])

    assert by_sdk(sdk_stream(written)) == expected(recording)


@pytest.mark.parametrize("recording", recorded("messages.stream-error-*", "anthropic"))
def test_error_in_a_stream_is_told_with_its_status(recording: Recording) -> None:
    (failed,) = read([recording.body])

    assert isinstance(failed, Failed)
    assert (failed.message, failed.status, failed.type) == ("Overloaded", 529, "overloaded_error")
