"""A provider's stream as it should not be, and the stream that the client gets all the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import UpstreamCut, UpstreamError, UpstreamFailure, UpstreamInvalid
from app.dialects.openai.stream import ChatStream
from tests.dialects.openai.folding import Chunk, chunks_of, cut, data_of, fold, run

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "12345678"}]}
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


class Closing:
    """A mender that has a chunk to add at the end."""

    def mend_chunk(self, chunk: Chunk) -> Chunk:
        return chunk

    def closing_chunks(self) -> list[Chunk]:
        return [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]

    def mend_whole(self, reply: Chunk) -> Chunk:
        return reply


def open_stream(*, wants_usage: bool = False, mended: bool = False, secrets: tuple[str, ...] = ()) -> ChatStream:
    return ChatStream(
        call_id="req_1",
        model="m",
        provider="Acme",
        wants_usage=wants_usage,
        request=REQUEST,
        mender=Closing() if mended else None,
        secrets=secrets,
    )


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **fields: Any) -> Chunk:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": reason}
    return {
        "id": "chatcmpl-9",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m-1",
        "choices": [choice],
    } | fields


def event(value: Any) -> bytes:
    return (
        b"data: "
        + json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
        + b"\n\n"
    )


ROLE = chunk({"role": "assistant", "content": ""})
HELLO = chunk({"content": "Hello"})
STOP = chunk(reason="stop")


# Streams of any make.

AWKWARD = """
\u2028|\u2029\x85|\U0001f600|"usage":{|"usage":null|"error"|}\n\ndata: {|data: [DONE]|\r\n\r\n|\\"|\x00|\ufeff|"finish_reason":"stop"
""".strip("\n").split("|")
TEXTS = st.text(max_size=8) | st.sampled_from(AWKWARD)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": st.none() | TEXTS,
        "reasoning_content": TEXTS,
        "refusal": TEXTS,
        "tool_calls": st.lists(
            st.fixed_dictionaries(
                {"index": st.integers(0, 1)},
                optional={"id": TEXTS, "function": st.fixed_dictionaries({"arguments": TEXTS})},
            ),
            max_size=2,
        ),
        "unknown": st.dictionaries(TEXTS, st.none() | TEXTS | st.integers(0, 9)),
    },
)
REPORTED = st.sampled_from([{}, {}, {"usage": None}, {"usage": USAGE}])
CHUNKS = st.builds(lambda delta, usage: chunk(delta) | usage, DELTAS, REPORTED)
USAGE_ONLY = chunk(choices=[], usage=USAGE)
NOISE = st.sampled_from([b": ping", b"event: x", b"retry: 5", b"id: 7", b": \xff\xfe", b"", b"data", b"data: "])
BAD_DATA = [
    b"nope",
    b"[1]",
    b"5",
    b'"x"',
    b"null",
    b"{",
    b'{"a":"\xff"}',
    b'{"error":"Oops"}',
    b'{"usage":5}',
    b"[DONE]",
]
BAD_LINES = [b"<html>", b'{"error":1}', b"\xff", b'data: {"choices":5}', *[b"data: " + data for data in BAD_DATA]]
GARBAGE = NOISE | st.sampled_from(BAD_LINES)
PIECES = st.integers(1, 60)


@st.composite
def streams(draw: st.DrawFn, noise: st.SearchStrategy[bytes]) -> tuple[list[Chunk], bytes]:
    """Chunks, and their bytes as some odd server might send them."""
    chunks = [*draw(st.lists(CHUNKS, max_size=6)), STOP, *draw(st.sampled_from([[], [USAGE_ONLY]]))]
    ending = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    space, ascii_only = draw(st.sampled_from([b"", b" "])), draw(st.booleans())
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    written = []
    for each in chunks:
        written += [line + ending * 2 for line in draw(st.lists(noise, max_size=1))]
        text = json.dumps(each, ensure_ascii=ascii_only, separators=separators).encode()
        written.append(b"data:" + space + text + ending * 2)
    if draw(st.booleans()):
        written.append(b"data: [DONE]" + ending * draw(st.integers(0, 2)))
    return chunks, b"".join(written)


@settings(deadline=None, max_examples=100)
@given(stream=streams(NOISE), size=PIECES, wants_usage=st.booleans())
def test_content_is_preserved_from_any_server_in_any_pieces(
    stream: tuple[list[Chunk], bytes], size: int, *, wants_usage: bool
) -> None:
    chunks, body = stream

    out = run(open_stream(wants_usage=wants_usage), cut(body, size))

    assert fold(chunks_of(out)) == fold(chunks)
    assert [bool(each.get("usage")) for each in chunks_of(out)].count(True) == wants_usage
    assert_well_formed(out)


@settings(deadline=None, max_examples=100)
@given(stream=streams(GARBAGE), size=PIECES, wants_usage=st.booleans(), mended=st.booleans())
def test_garbage_makes_an_error_or_a_well_formed_stream(
    stream: tuple[list[Chunk], bytes], size: int, *, wants_usage: bool, mended: bool
) -> None:
    _, body = stream

    try:
        out = run(open_stream(wants_usage=wants_usage, mended=mended), cut(body, size))
    except UpstreamFailure:
        return

    assert_well_formed(out)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=20) | GARBAGE.map(lambda line: line + b"\n\n"), max_size=8))
def test_plain_garbage_never_gets_through(pieces: list[bytes]) -> None:
    stream = open_stream()

    try:
        out = run(stream, pieces)
    except UpstreamFailure:
        return

    assert_well_formed(out)


def assert_well_formed(out: bytes) -> None:
    """Events of JSON objects in UTF-8, and one `[DONE]` that is the last."""
    out.decode()
    data = [each for each in data_of(out) if each.strip()]
    assert data[-1] == b"[DONE]"
    assert data.count(b"[DONE]") == 1
    assert out.endswith(DONE)
    assert all(isinstance(json.loads(each), dict) for each in data[:-1])


# How it begins.


def test_stream_that_is_in_order_goes_through_byte_for_byte() -> None:
    body = event(ROLE) + event(HELLO) + event(STOP) + event(USAGE_ONLY) + DONE

    assert run(open_stream(wants_usage=True), [body]) == body


def test_role_is_put_before_a_provider_that_gives_none() -> None:
    out = chunks_of(run(open_stream(), [event(HELLO) + event(STOP) + DONE]))

    assert out == [ROLE, HELLO, STOP]


def test_chunk_without_choices_may_come_before_the_role() -> None:
    filtered = chunk(choices=[], prompt_filter_results=[{"prompt_index": 0}])

    out = chunks_of(run(open_stream(), [event(filtered) + event(HELLO) + DONE]))

    assert out == [filtered, ROLE, HELLO]


def test_byte_order_mark_is_no_part_of_the_first_event() -> None:
    out = run(open_stream(), [b"\xef\xbb\xbf" + event(ROLE) + event(STOP) + DONE])

    assert out == event(ROLE) + event(STOP) + DONE


def test_comment_goes_through_at_once_when_the_stream_has_begun() -> None:
    stream = open_stream()

    assert stream.feed(b": OPENROUTER PROCESSING\n\n") == b""
    assert stream.feed(event(ROLE)) == event(ROLE)
    assert stream.feed(b": OPENROUTER PROCESSING\n\n") == b": OPENROUTER PROCESSING\n\n"


def test_error_page_that_comes_as_a_stream_does_not_reach_the_client() -> None:
    stream = open_stream()

    assert stream.feed(b"<html>\n\n<body>\n\n") == b""
    with pytest.raises(UpstreamCut):
        stream.close(certain=True)


# How it ends.


@pytest.mark.parametrize("before", [[], [event(ROLE)], [event(ROLE) + event(HELLO)]])
@pytest.mark.parametrize("after", [[event(HELLO)], [event(HELLO), DONE, b": late\n\n"]])
@pytest.mark.parametrize("together", [True, False])
def test_nothing_comes_after_the_end(before: list[bytes], after: list[bytes], *, together: bool) -> None:
    body = [*before, DONE, *after]
    stream = open_stream()

    out = stream.feed(b"".join(body)) if together else b"".join([stream.feed(piece) for piece in body])

    assert out == b"".join(before) + DONE
    assert stream.ended


@pytest.mark.parametrize("blank", [b"\r\r", b"\r\n\r\n", b"\n\n"])
def test_end_in_the_midst_of_other_line_endings_is_seen(blank: bytes) -> None:
    body = event(ROLE) + b"".join([event(HELLO)[:-2] + blank, b"data: [DONE]" + blank, event(HELLO)])

    assert data_of(open_stream().feed(body))[1:] == [event(HELLO)[6:-2], b"[DONE]"]


def test_missing_done_is_added_where_the_transport_knows_that_nothing_is_missing() -> None:
    stream = open_stream()
    stream.feed(event(ROLE) + event(HELLO))

    assert stream.close(certain=True) == DONE


@pytest.mark.parametrize("reason", [b'"finish_reason":"stop"', b'"finish_reason": "stop"'])
@pytest.mark.parametrize("alone", [True, False])
def test_finish_reason_is_a_sign_of_the_end_where_the_transport_knows_nothing(reason: bytes, *, alone: bool) -> None:
    last = event(STOP).replace(b'"finish_reason":"stop"', reason)
    stream = open_stream()
    for piece in [event(ROLE), event(HELLO), last] if alone else [event(ROLE) + event(HELLO) + last]:
        stream.feed(piece)

    assert stream.close(certain=False) == DONE


def test_end_without_any_sign_is_a_cut_where_the_transport_knows_nothing() -> None:
    stream = open_stream()
    stream.feed(event(ROLE) + event(HELLO))

    with pytest.raises(UpstreamCut):
        stream.close(certain=False)


@pytest.mark.parametrize("body", [b"", b": ping\n\n", b"data: ", b"\n\n\n"])
def test_stream_without_any_chunk_is_a_cut(body: bytes) -> None:
    stream = open_stream()
    stream.feed(body)

    with pytest.raises(UpstreamCut):
        stream.close(certain=True)


@pytest.mark.parametrize("certain", [True, False])
def test_event_that_was_cut_is_a_cut(*, certain: bool) -> None:
    stream = open_stream()
    stream.feed(event(ROLE) + event(HELLO)[:-20])

    with pytest.raises(UpstreamCut) as caught:
        stream.close(certain=certain)

    assert caught.value.code == "upstream_cut"


@pytest.mark.parametrize("missing", [1, 2])
def test_last_event_counts_without_its_blank_line(missing: int) -> None:
    body = event(ROLE) + event(HELLO) + DONE

    assert run(open_stream(), [body[:-missing]]) == body


# What it used.


def test_usage_comes_once_at_the_end_from_a_provider_that_repeats_it() -> None:
    repeated = [each | {"usage": USAGE} for each in (ROLE, HELLO, STOP)]

    out = chunks_of(run(open_stream(wants_usage=True), [b"".join(map(event, repeated)) + DONE]))

    assert out == [ROLE, HELLO, STOP, USAGE_ONLY]


def test_the_last_report_counts() -> None:
    reports = [chunk(choices=[], usage=USAGE | {"completion_tokens": n}) for n in (1, 2, 3)]
    stream = open_stream()
    run(stream, [b"".join(map(event, [ROLE, *reports])) + DONE])

    assert stream.read_usage().output == 3


@pytest.mark.parametrize("spaced", [True, False])
@pytest.mark.parametrize("wants_usage", [True, False])
def test_null_usage_stays_only_for_who_asked(*, spaced: bool, wants_usage: bool) -> None:
    text = event(HELLO | {"usage": None})
    text = text.replace(b'"usage":null', b'"usage": null') if spaced else text

    out = run(open_stream(wants_usage=wants_usage), [event(ROLE) + text + DONE])

    assert (b'"usage":null' in out or b'"usage": null' in out) is wants_usage


def test_usage_is_estimated_where_none_is_reported() -> None:
    stream = open_stream(wants_usage=True)

    words = chunk({"role": "assistant", "content": "x" * 40})
    out = chunks_of(run(stream, [event(ROLE), *[event(words)] * 10, event(STOP), DONE]))

    usage = stream.read_usage()
    assert usage.estimated
    assert usage.input == 2
    assert 90 <= usage.output <= 115
    assert out[-1]["usage"]["completion_tokens"] == usage.output


def test_estimate_is_no_less_than_a_token_a_chunk() -> None:
    stream = open_stream()
    run(stream, [event(ROLE), *[event(chunk({"content": "a"}))] * 50, DONE])

    assert stream.read_usage().output >= 50


def test_stream_that_ends_early_is_estimated_by_what_came() -> None:
    stream = open_stream()
    stream.feed(event(ROLE) + event(chunk({"content": "x" * 400})))

    assert 85 <= stream.read_usage().output <= 115


def test_words_about_usage_and_errors_are_only_words() -> None:
    text = 'Set "usage":{"x":1} or "error" or "finish_reason":"stop", then data: [DONE]\n\n'
    body = event(ROLE) + event(chunk({"content": text})) + event(STOP) + DONE

    assert run(open_stream(), [body]) == body


# What went wrong.


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"message": "Overloaded", "code": 502}, "Overloaded"),
        ("Overloaded", "Overloaded"),
        ({"code": 502}, '{"code":502}'),
        ([1], "[1]"),
    ],
)
def test_error_in_the_stream_is_told_and_the_stream_ends_properly(error: Any, words: str) -> None:
    stream = open_stream()

    out = run(stream, [event(ROLE) + event(HELLO) + event({"error": error}) + DONE])

    assert stream.failure == words
    assert isinstance(chunks_of(out)[-1]["error"], dict)
    assert_well_formed(out)


def test_error_before_anything_else_has_a_status() -> None:
    with pytest.raises(UpstreamError) as caught:
        open_stream().feed(event({"error": {"message": "Slow down", "code": 429}}))

    assert (caught.value.status, caught.value.message) == (429, "Slow down")


def test_error_tells_no_key_not_even_behind_an_escape() -> None:
    error = {"message": "wrong:\nsk-abcdefghijklmnop", "param": "quite/odd"}
    stream = open_stream(secrets=("quite/odd",))

    out = run(stream, [event(ROLE) + event({"error": error, "x": "quite/odd"}).replace(b"/", b"\\/") + DONE])

    assert stream.failure == "wrong:\n[redacted]"
    assert b"quite" not in out
    assert b"sk-" not in out


def test_usage_inside_an_error_is_metered() -> None:
    stream = open_stream()
    run(stream, [event(ROLE) + event({"error": {"message": "No"}, "usage": USAGE}) + DONE])

    assert stream.read_usage().total == 15


def test_no_finish_reason_is_made_up_after_an_error() -> None:
    out = run(open_stream(mended=True), [event(ROLE) + event({"error": {"message": "No"}}) + DONE])

    assert b'"stop"' not in out


@pytest.mark.parametrize("data", [b"nope", b"[]", b"1", b"null", b'"x"', b"{", b"\xff"])
@pytest.mark.parametrize("before", [b"", event(ROLE)])
def test_event_that_is_no_object_is_the_providers_fault(data: bytes, before: bytes) -> None:
    stream = open_stream()

    with pytest.raises(UpstreamInvalid):
        stream.feed(before + b"data: " + data + b"\n\n")


def test_half_a_character_is_replaced() -> None:
    broken = event(chunk({"content": "Gr\u00fc\u00dfe"})).replace("\u00df".encode(), b"\xc3")

    out = run(open_stream(), [event(ROLE) + broken + DONE])

    assert fold(chunks_of(out)).texts == {(0, "content"): "Gr\u00fc\ufffde"}
    out.decode()


@pytest.mark.parametrize("before", [b"", event(ROLE)])
def test_raw_surrogates_become_escapes(before: bytes) -> None:
    out = run(open_stream(), [before + event(chunk({"content": "\ud83d"})) + DONE])

    assert chunks_of(out.decode().encode())[-1]["choices"][0]["delta"]["content"] == "\ud83d"


def test_nesting_that_cannot_be_written_again_is_the_providers_fault() -> None:
    deep = b"[" * 1010 + b"]" * 1010

    with pytest.raises(UpstreamInvalid, match="cannot be passed on"):
        open_stream().feed(b'data: {"choices":[],"x":"\xff","y":' + deep + b"}\n\n")
