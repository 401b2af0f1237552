"""The parsing half by itself: any bytes, in any pieces."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.providers.http1.incoming import AnswerParser, Malformed

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ-_!", min_size=1, max_size=20).map(str.encode)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map(str.encode)
FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"keep-alive", b"proxy-connection"}
HEADERS = st.lists(st.tuples(TOKEN.filter(lambda name: name.lower() not in FRAMING), VALUE), max_size=5)
CUTS = st.lists(st.integers(0, 400), max_size=30)
FRAGMENTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 101 Switching\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: 5, 5\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n",
        b"\r\n", b"\n", b"\r", b"5\r\nhello\r\n", b"0\r\n", b"0\r\n\r\n", b"hello", b"\0", b": ", b" folded\r\n", b"ffffffff\r\n",
    ]
)  # fmt: skip


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in pairwise(edges)]


def _chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"HTTP/1.1 %d Fine" % status, *(b"%b: %b" % header for header in headers)]
    return b"\r\n".join([*lines, b"", b""])


@given(data=st.one_of(st.binary(max_size=300), st.lists(FRAGMENTS, max_size=12).map(b"".join)), cuts=CUTS)
def test_any_bytes_are_an_answer_or_malformed_and_never_anything_else(data: bytes, cuts: list[int]) -> None:
    answer = AnswerParser()
    answer.begin(wants_body=True)

    try:
        for piece in in_pieces(data, cuts):
            answer.feed(piece)
    except Malformed:
        assert not answer.keep_alive or answer.stage != "end"

    assert answer.stage in ("head", "body", "end")
    assert len(answer.take()) <= len(data)


@given(data=st.lists(FRAGMENTS, max_size=12).map(b"".join), cuts=CUTS)
def test_any_bytes_mean_the_same_in_whatever_pieces(data: bytes, cuts: list[int]) -> None:
    whole, parted = AnswerParser(), AnswerParser()
    for answer, pieces in ((whole, [data]), (parted, in_pieces(data, cuts))):
        answer.begin(wants_body=True)
        try:
            for piece in pieces:
                answer.feed(piece)
        except Malformed:
            answer.reason += b" (malformed)"

    assert (parted.stage, parted.status, parted.reason) == (whole.stage, whole.status, whole.reason)
    assert parted.take() == whole.take()
    if whole.stage != "head":
        assert (parted.headers, parted.framing) == (whole.headers, whole.framing)


@given(
    status=st.sampled_from([200, 201, 302, 400, 404, 429, 500, 503, 999]),
    headers=HEADERS,
    parts=st.lists(st.binary(min_size=1, max_size=60), max_size=6),
    framing=st.sampled_from(["length", "chunked", "close"]),
    cuts=CUTS,
)
def test_valid_answer_in_whatever_pieces_is_what_was_sent(
    status: int, headers: list[tuple[bytes, bytes]], parts: list[bytes], framing: str, cuts: list[int]
) -> None:
    body = b"".join(parts)
    telling = {
        "length": [(b"Content-Length", b"%d" % len(body))],
        "chunked": [(b"Transfer-Encoding", b"chunked")],
        "close": [],
    }[framing]
    data = _head(status, headers + telling) + (_chunked(parts) if framing == "chunked" else body)
    answer = AnswerParser()
    answer.begin(wants_body=True)

    for piece in in_pieces(data, cuts):
        answer.feed(piece)

    assert answer.status == status
    assert answer.headers == [(name.lower(), value) for name, value in headers + telling]
    assert answer.framing == framing
    assert answer.take() == body
    assert (answer.stage, answer.keep_alive) == (("body", False) if framing == "close" else ("end", True))


@given(answers=st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=4), min_size=2, max_size=4), cuts=CUTS)
def test_one_answer_leaves_nothing_behind_for_the_next(answers: list[list[bytes]], cuts: list[int]) -> None:
    answer = AnswerParser()

    for parts in answers:
        answer.begin(wants_body=True)
        data = _head(200, [(b"X-Parts", b"%d" % len(parts)), (b"Transfer-Encoding", b"chunked")]) + _chunked(parts)
        for piece in in_pieces(data, cuts):
            answer.feed(piece)

        assert answer.headers[0] == (b"x-parts", b"%d" % len(parts))
        assert answer.take() == b"".join(parts)
        assert answer.keep_alive


EXTRA = st.one_of(st.binary(min_size=1, max_size=50), st.just(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))


@given(extra=EXTRA.filter(lambda extra: extra.strip(b"\r\n") != b""), cuts=CUTS)
def test_bytes_after_the_end_spoil_the_connection_but_not_the_answer(extra: bytes, cuts: list[int]) -> None:
    answer = AnswerParser()
    answer.begin(wants_body=True)

    for piece in in_pieces(_head(200, [(b"Content-Length", b"2")]) + b"ok" + extra, cuts):
        answer.feed(piece)

    assert answer.stage == "end"
    assert answer.take() == b"ok"
    assert not answer.keep_alive


@given(trailers=HEADERS, cuts=CUTS)
def test_trailers_are_not_headers(trailers: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    answer = AnswerParser()
    answer.begin(wants_body=True)
    data = b"".join([_head(200, [(b"Transfer-Encoding", b"chunked")]), b"2\r\nok\r\n0\r\n"])
    data += b"".join(b"%b: %b\r\n" % trailer for trailer in trailers) + b"\r\n"

    for piece in in_pieces(data, cuts):
        answer.feed(piece)

    assert answer.headers == [(b"transfer-encoding", b"chunked")]
    assert (answer.take(), answer.stage, answer.keep_alive) == (b"ok", "end", True)
