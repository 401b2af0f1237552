"""Whole chat replies: as they came, their usage read; recorded ones and broken ones."""

import json
from typing import Any

import pytest

from app.core.errors import UpstreamError, UpstreamInvalid
from app.dialects import collected
from app.dialects.openai.whole import WholeReply
from app.providers.perplexity import PerplexityMender
from tests.dialects.openai.folding import cut
from tests.dialects.openai.test_stream_recorded import assert_same_usage
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "12345678"}]}
REPLIES = [
    param
    for param in recorded("chat.*", *OPENAI_COMPATIBLE)
    if not isinstance(param.values[0], Recording) or (param.values[0].status == 200 and not param.values[0].streamed)
]
EACH_REPLY = pytest.mark.parametrize("recording", REPLIES)


def open_reply(provider: str = "acme", secrets: tuple[str, ...] = ()) -> WholeReply:
    mender = PerplexityMender() if provider == "perplexity" else None
    return WholeReply(provider=provider, request=REQUEST, mender=mender, secrets=secrets)


def read(body: bytes) -> bytes:
    reply = open_reply()
    reply.feed(body)
    return reply.close(certain=True)


def completion(content: Any = "Hello") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return json.dumps({"id": "1", "choices": [choice]}, ensure_ascii=False).encode(errors="surrogatepass")


@pytest.mark.parametrize("recording", [reply for reply in REPLIES if not str(reply.id).startswith("perplexity/")])
def test_recorded_reply_goes_through_byte_for_byte(recording: Recording) -> None:
    reply = open_reply(recording.provider)

    early = [reply.feed(piece) for piece in cut(recording.body, 7)]

    assert b"".join(early) == b""
    assert reply.close(certain=True) == recording.body


@EACH_REPLY
def test_usage_is_the_recorded_one(recording: Recording) -> None:
    reply = open_reply(recording.provider)
    reply.feed(recording.body)
    reply.close(certain=True)

    assert_same_usage(reply.read_usage(), json.loads(recording.body).get("usage"))


def test_usage_is_estimated_where_none_is_reported() -> None:
    reply = open_reply()
    reply.feed(completion("x" * 401))
    reply.close(certain=True)

    usage = reply.read_usage()

    assert (usage.input, usage.output, usage.estimated) == (2, 101, True)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html><body>Bad gateway</body></html>", b"[]", b'"a"', b"null", b"{}", b'{"choices":{}}']
)
@pytest.mark.parametrize("certain", [True, False])
def test_body_that_is_no_completion_is_the_providers_fault(body: bytes, *, certain: bool) -> None:
    reply = open_reply()
    reply.feed(body)

    with pytest.raises(UpstreamInvalid, match="acme") as caught:
        reply.close(certain=certain)

    assert caught.value.status == 502


def test_body_that_was_cut_is_the_providers_fault() -> None:
    with pytest.raises(UpstreamInvalid):
        read(completion()[:-1])


def test_half_a_character_is_replaced_and_the_answer_kept() -> None:
    body = completion("Gr\u00fc\u00dfe").replace("\u00df".encode(), b"\xc3")

    assert json.loads(read(body))["choices"][0]["message"]["content"] == "Gr\u00fc\ufffde"


def test_raw_surrogates_become_escapes_that_any_reader_takes() -> None:
    out = read(completion("\ud83d"))

    assert json.loads(out.decode())["choices"][0]["message"]["content"] == "\ud83d"


def test_byte_order_mark_does_not_reach_the_client() -> None:
    assert json.loads(read(b"\xef\xbb\xbf" + completion()))["id"] == "1"


def test_reply_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collected, "MAX_REPLY_BYTES", 1000)
    reply = open_reply()
    reply.feed(b" " * 1000)

    with pytest.raises(UpstreamInvalid, match="longer than"):
        reply.feed(b" ")


@pytest.mark.parametrize(
    ("code", "status"), [(429, 429), (403, 403), ("429", 502), (200, 502), (None, 502), (True, 502)]
)
def test_error_with_status_200_has_the_status_of_its_code(code: Any, status: int) -> None:
    with pytest.raises(UpstreamError, match="Slow down") as caught:
        read(json.dumps({"error": {"message": "Slow down", "code": code}}).encode())

    assert caught.value.status == status


def test_error_with_status_200_tells_no_key() -> None:
    reply = open_reply(secrets=("quite odd",))
    reply.feed(b'{"error":{"message":"wrong: quite odd or \\nsk-abcdefghijklmnop"}}')

    with pytest.raises(UpstreamError) as caught:
        reply.close(certain=True)

    assert caught.value.message == "wrong: [redacted] or \n[redacted]"


def test_reply_that_nests_too_deeply_to_be_mended_is_the_providers_fault() -> None:
    deep = b"[" * 1010 + b"]" * 1010

    with pytest.raises(UpstreamInvalid, match="too deeply"):
        read(b'{"choices":[],"x":' + deep + b',"y":"\xff"}')
