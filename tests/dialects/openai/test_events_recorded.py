"""Every recorded chat stream as events, in any pieces; and written anew, as OpenAI's SDK reads it."""

from typing import Any

import pytest
from openai import APIError

from app.core.events import Citation, Event, Failed, ReasoningSigned, Started, ToolCallStarted, merge
from tests.dialects.openai.folding import chunks_of, cut
from tests.dialects.openai.saying import read_stream, said, sdk_stream, written
from tests.dialects.openai.test_stream_recorded import open_stream
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded

RECORDINGS = recorded("chat.*", *OPENAI_COMPATIBLE, "gemini")
WITH_ERROR = ("chat.stream-error",)


def streams(*, failed: bool) -> list[Any]:
    return [
        param
        for param in RECORDINGS
        if not isinstance(param.values[0], Recording)
        or (param.values[0].streamed and (param.values[0].path.stem in WITH_ERROR) is failed)
    ]


EACH_STREAM = pytest.mark.parametrize("recording", streams(failed=False))


def normalised(recording: Recording) -> bytes:
    """The stream as the pass-through puts it right."""
    stream = open_stream(recording)
    out = stream.feed(recording.body)
    return out if stream.ended else out + stream.close(certain=True)


def without_ids(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, Started)]


@EACH_STREAM
def test_events_say_what_the_sdk_reads(recording: Recording) -> None:
    events = read_stream([recording.body])

    # OpenRouter tells of one source a chunk, each without an index: the SDK's accumulator stops at the second.
    assert said(events) == sdk_stream(recording.body, without="annotations")


@EACH_STREAM
def test_stream_that_was_put_right_says_the_same(recording: Recording) -> None:
    events = read_stream([recording.body])

    again = read_stream([normalised(recording)])

    # Where the provider reports no usage, the pass-through gives an estimate.
    assert merge(again)[1:-1] == merge(events)[1:-1]


@EACH_STREAM
@pytest.mark.parametrize("size", [1, 13, 1000])
def test_pieces_make_no_difference(recording: Recording, size: int) -> None:
    assert read_stream(cut(recording.body, size)) == read_stream([recording.body])


@EACH_STREAM
def test_split_in_two_makes_no_difference(recording: Recording) -> None:
    body, whole = recording.body, read_stream([recording.body])

    for at in range(1, len(body), max(len(body) // 12, 1)):
        assert read_stream([body[:at], body[at:]]) == whole


@pytest.mark.parametrize(
    "recording",
    [param for param in streams(failed=False) if isinstance(param.values[0], Recording) and param.values[0].reads],
)
def test_recorded_reads_make_no_difference(recording: Recording) -> None:
    assert recording.reads is not None
    assert read_stream(recording.reads) == read_stream([recording.body])


@EACH_STREAM
def test_head_is_the_recorded_one(recording: Recording) -> None:
    started = read_stream([recording.body])[0]

    first = next(chunk for chunk in chunks_of(recording.body) if chunk["choices"])
    assert started == Started(first["id"] or None, first["model"] or None, first["created"] or None)


@EACH_STREAM
def test_written_anew_it_says_the_same_to_the_sdk(recording: Recording) -> None:
    events = read_stream([recording.body])

    assert without_cost(sdk_stream(written(events))) == without_cost(said(events))


@EACH_STREAM
def test_written_and_read_again_it_is_the_same(recording: Recording) -> None:
    events = merge(read_stream([recording.body]))

    again = merge(read_stream([written(events)]))

    assert in_sections(again[:-1]) == in_sections(events[:-1])


def in_sections(events: list[Event]) -> list[Event]:
    """Sources are written before the end, wherever they were told."""
    return [event for event in events if not isinstance(event, Citation)] + [
        event for event in events if isinstance(event, Citation)
    ]


def without_cost(said_: Any) -> Any:
    """The usage object has no place for the cost, nor for tokens written into a cache."""
    usage = said_.usage
    said_.usage = (usage.input + usage.cache_write, usage.cache_read, usage.output, usage.reasoning)
    return said_


@pytest.mark.parametrize("recording", streams(failed=True))
def test_error_in_the_stream_is_the_last_event(recording: Recording) -> None:
    events = read_stream([recording.body])

    assert isinstance(events[-1], Failed)
    assert (events[-1].message, events[-1].status) == ("Token limit reached", 400)


@pytest.mark.parametrize("recording", streams(failed=True))
def test_written_error_is_one_to_the_sdk(recording: Recording) -> None:
    events = read_stream([recording.body])

    with pytest.raises(APIError, match="Token limit reached"):
        sdk_stream(written(events))


@pytest.mark.parametrize("recording", recorded("chat.*citations-stream*", "perplexity"))
def test_sources_that_every_chunk_repeats_are_told_once(recording: Recording) -> None:
    told = [event for event in read_stream([recording.body]) if isinstance(event, Citation)]

    chunk = chunks_of(recording.body)[-1]
    titles = {result["url"]: result["title"] for result in chunk.get("search_results", [])}
    assert [citation.url for citation in told] == chunk["citations"]
    assert {citation.url: citation.title for citation in told if citation.title} == titles


@pytest.mark.parametrize("recording", recorded("chat.web-search-stream", "openrouter"))
def test_annotations_are_told_as_sources(recording: Recording) -> None:
    told = [event for event in read_stream([recording.body]) if isinstance(event, Citation)]

    assert len(told) == 5
    assert told[0].title == "AI Agent Framework, the Pydantic way - GitHub"
    assert told[0].text is not None
    assert (told[0].start, told[0].end, told[1].title) == (None, None, None)


@pytest.mark.parametrize("recording", recorded("chat.reasoning-stream", "openrouter"))
def test_proof_of_reasoning_is_told_with_its_origin(recording: Recording) -> None:
    (signed,) = [event for event in read_stream([recording.body]) if isinstance(event, ReasoningSigned)]

    assert signed.signature.origin == "anthropic"
    assert signed.signature.value.startswith("Et0BCkgI")


@pytest.mark.parametrize("recording", recorded("chat.tool-call-stream-2", "openrouter"))
def test_proof_of_a_call_that_comes_after_it_has_its_id(recording: Recording) -> None:
    events = read_stream([recording.body])

    (call,) = [event for event in events if isinstance(event, ToolCallStarted)]
    (signed,) = [event for event in events if isinstance(event, ReasoningSigned)]
    assert (signed.signature.origin, signed.id) == ("gemini", call.id)
