"""Server-sent events as bytes, with every line ending and in any pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import UpstreamInvalid
from app.dialects.framing import (
    EventBuffer,
    comment,
    first_event,
    is_event,
    read_data,
    split_events,
    write_data,
)

ENDINGS = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINES = st.sampled_from(
    [b"data: {}", b"data:x", b"data", b": ping", b"event: e", b"id: 1", "data: \u2028\u2029\x85".encode()]
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, int]:
    """A stream of whole events, each with line endings of its own, and their number."""
    events = draw(st.lists(st.lists(LINES, min_size=1, max_size=3), min_size=1, max_size=5))
    written = []
    for lines in events:
        ending = draw(ENDINGS)
        written.append(b"".join(line + ending for line in lines) + ending)
    return b"".join(written), len(events)


@st.composite
def pieces_of(draw: st.DrawFn, body: bytes) -> list[bytes]:
    cuts = sorted(draw(st.sets(st.integers(0, len(body)), max_size=8)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@settings(deadline=None)
@given(streams(), st.data())
def test_no_byte_is_lost_or_moved_whatever_the_pieces(stream: tuple[bytes, int], data: st.DataObject) -> None:
    body, _ = stream
    buffer = EventBuffer()

    out = [buffer.feed(piece) for piece in data.draw(pieces_of(body))]

    assert b"".join(out) + buffer.rest() == body


@settings(deadline=None)
@given(streams())
def test_each_event_comes_by_itself_when_fed_byte_by_byte(stream: tuple[bytes, int]) -> None:
    body, number = stream
    buffer = EventBuffer()

    blocks = [block for byte in body if (block := buffer.feed(bytes([byte])))]

    assert len(blocks) == number
    assert all(len(list(split_events(block))) == 1 for block in blocks)


@settings(deadline=None)
@given(streams())
def test_block_is_split_into_its_events(stream: tuple[bytes, int]) -> None:
    body, number = stream

    events = list(split_events(body))

    assert len(events) == number
    assert b"".join(events) == body
    assert first_event(body) == events[0]


@pytest.mark.parametrize("cut", range(1, 10))
def test_crlf_that_is_cut_anywhere_ends_one_event(cut: int) -> None:
    body = b"data: 1\r\n\r\n"
    buffer = EventBuffer()

    blocks = [buffer.feed(body[:cut]), buffer.feed(body[cut:])]

    assert [block for block in blocks if block] == [body]


def test_event_that_is_not_complete_waits() -> None:
    buffer = EventBuffer()

    assert buffer.feed(b"data: 1\n\ndata: 2\n") == b"data: 1\n\n"
    assert buffer.feed(b"\n") == b"data: 2\n\n"


def test_rest_is_given_once() -> None:
    buffer = EventBuffer()
    buffer.feed(b"data: 1")

    assert buffer.rest() == b"data: 1"
    assert buffer.rest() == b""


def test_event_without_end_is_given_up() -> None:
    buffer = EventBuffer(max_event_bytes=100)
    buffer.feed(b"x" * 100)

    with pytest.raises(UpstreamInvalid, match="more than 100 bytes"):
        buffer.feed(b"x")


@pytest.mark.timeout(20)
def test_large_event_in_tiny_pieces_takes_no_more_than_its_length() -> None:
    buffer = EventBuffer()

    for _ in range(500_000):
        buffer.feed(b"0123456789")

    assert len(buffer.feed(b"\n\n")) == 5_000_002


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    ("lines", "data"),
    [
        ([b"data: x"], b"x"),
        ([b"data:x"], b"x"),
        ([b"data:  x "], b" x "),
        ([b"data: a", b"data: b"], b"a\nb"),
        ([b"data"], b""),
        ([b"data:"], b""),
        ([b"event: e", b"data: x", b"id: 1"], b"x"),
        ([b": ping"], None),
        ([b"event: e"], None),
        ([b"dataset: x"], None),
        (["data: \u2028".encode()], "\u2028".encode()),
    ],
)
def test_data_is_read_with_every_line_ending(lines: list[bytes], data: bytes | None, ending: bytes) -> None:
    event = ending.join([*lines, b"", b""])

    assert read_data(event) == data


@pytest.mark.parametrize(
    "text", [b": ping\n\n", b"\n\n", b"event: e\r\nid: 5\r\n\r\n", b"retry: 5\n\n", b"data: x\n\n"]
)
def test_lines_that_the_format_knows_are_an_event(text: bytes) -> None:
    assert is_event(text)


@pytest.mark.parametrize("text", [b"<html>\n\n", b'{"error": {}}\n\n', b"event: e\nnonsense\n\n", b"\xff\n\n"])
def test_other_lines_are_none(text: bytes) -> None:
    assert not is_event(text)


def test_what_is_written_is_read() -> None:
    assert read_data(write_data(b'{"a":1}')) == b'{"a":1}'
    assert read_data(comment(b"ping")) is None
