"""Providers that give no answer, another one than was asked for, or an error."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.faulty import (
    DONE,
    HASTY_S,
    KEY,
    LAST_CHUNK,
    STREAM_HEAD,
    Answer,
    Rig,
    Script,
    chunked,
    delta,
    faulty_rig,
    response,
    saying,
    streaming,
    then_reset,
    then_stall,
    whole,
)
from tests.providers.transport.servers import Peer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults_answer")]

CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
UNSIZED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
HTML = b"<html><body><h1>Welcome</h1></body></html>"

both_ways = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with faulty_rig(tmp_path_factory.mktemp("gateway")) as running:
        yield running


async def assert_failed(rig: Rig, answer: Answer, status: int, code: str | None) -> None:
    """The client got an error in OpenAI's shape, and the row says the same."""
    assert (answer.status, answer.error["code"], answer.cut) == (status, code, False)
    assert answer.headers["content-type"] == "application/json"
    assert answer.error.keys() >= {"message", "type", "param", "code"}
    row = await rig.row(answer.name)
    assert (row["outcome"], row["status"], row["first_byte_ms"]) == ("error", status, None)


@both_ways
@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param(saying(), "upstream_invalid_response", id="fin"),
        pytest.param(then_reset(), "upstream_cut", id="reset"),
        pytest.param(saying(b"HTTP/1.1 200 OK\r\nContent-Ty"), "upstream_invalid_response", id="half-a-head"),
        pytest.param(saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "upstream_invalid_response", id="another-protocol"),
        pytest.param(saying(bytes(range(256)) * 20), "upstream_invalid_response", id="binary"),
        pytest.param(saying(STREAM_HEAD), "upstream_cut", id="only-a-head"),
    ],
)
async def test_provider_that_dies_or_babbles_before_its_first_byte_is_a_bad_gateway(
    rig: Rig, script: Script, code: str, stream: bool
) -> None:
    answer = await rig.ask(script, stream=stream)

    await assert_failed(rig, answer, 502, code)


@both_ways
@pytest.mark.parametrize("pieces", [(), (STREAM_HEAD,)], ids=["nothing", "only-a-head"])
async def test_provider_that_stalls_before_its_first_byte_is_a_gateway_timeout(
    rig: Rig, pieces: tuple[bytes, ...], stream: bool
) -> None:
    begun = asyncio.get_running_loop().time()

    answer = await rig.ask(then_stall(*pieces), stream=stream, provider="hasty")

    assert asyncio.get_running_loop().time() - begun >= HASTY_S
    await assert_failed(rig, answer, 504, "upstream_timeout")
    assert "timeouts." in answer.error["message"]


@both_ways
async def test_provider_that_does_not_listen_is_a_bad_gateway(rig: Rig, stream: bool) -> None:
    answer = await rig.ask(stream=stream, provider="refused")

    await assert_failed(rig, answer, 502, "upstream_unreachable")


@both_ways
async def test_host_that_nobody_knows_is_a_bad_gateway(rig: Rig, stream: bool) -> None:
    answer = await rig.ask(stream=stream, provider="nowhere")

    await assert_failed(rig, answer, 502, "upstream_unreachable")


@both_ways
async def test_page_of_html_is_a_bad_gateway(rig: Rig, stream: bool) -> None:
    answer = await rig.ask(saying(response(HTML, media_type=b"text/html")), stream=stream)

    await assert_failed(rig, answer, 502, "upstream_invalid_response")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param(saying(response(b"")), "upstream_invalid_response", id="empty"),
        pytest.param(saying(response(b"not json")), "upstream_invalid_response", id="no-json"),
        pytest.param(saying(response(b"[1, 2]")), "upstream_invalid_response", id="a-list"),
        pytest.param(saying(response(b"{}")), "upstream_invalid_response", id="without-choices"),
        pytest.param(saying(response(b'{"choices":' + b"[" * 100_000)), "upstream_invalid_response", id="deep"),
        pytest.param(saying(response(whole())[:-20]), "upstream_cut", id="cut-by-fin"),
        pytest.param(then_reset(response(whole())[:-20]), "upstream_cut", id="cut-by-reset"),
        pytest.param(saying(CHUNKED_HEAD + b"\r\n", chunked(whole())), "upstream_cut", id="without-last-chunk"),
        pytest.param(saying(UNSIZED_HEAD, whole()[:-20]), "upstream_invalid_response", id="unsized-and-cut"),
        pytest.param(
            saying(response(gzip.compress(whole())[:-20], b"Content-Encoding: gzip")),
            "upstream_invalid_response",
            id="half-a-gzip",
        ),
        pytest.param(
            saying(response(whole(), b"Content-Encoding: gzip")), "upstream_invalid_response", id="no-gzip-at-all"
        ),
    ],
)
async def test_whole_reply_that_is_damaged_is_a_bad_gateway(rig: Rig, script: Script, code: str) -> None:
    answer = await rig.ask(script, stream=False)

    await assert_failed(rig, answer, 502, code)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(saying(response(whole())), id="plain"),
        pytest.param(saying(response(gzip.compress(whole()), b"Content-Encoding: gzip")), id="gzip"),
        pytest.param(saying(UNSIZED_HEAD, whole()), id="unsized"),
        pytest.param(
            saying(
                CHUNKED_HEAD + b"Trailer: X-Sum\r\n\r\n",
                chunked(whole()[:40]),
                chunked(whole()[40:]),
                b"0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n",
            ),
            id="chunked-with-trailers",
        ),
        pytest.param(saying(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", response(whole())), id="early-hints"),
        pytest.param(saying(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + whole()), id="http-1.0"),
        pytest.param(
            saying(*(response(whole())[at : at + 1] for at in range(len(response(whole())))), pause_s=0.0005),
            id="a-byte-at-a-time",
        ),
    ],
)
async def test_whole_reply_arrives_as_it_was_meant_however_it_was_sent(rig: Rig, script: Script) -> None:
    answer = await rig.ask(script, stream=False)

    assert (answer.status, json.loads(answer.body)) == (200, json.loads(whole()))
    assert not {"content-encoding", "transfer-encoding", "trailer", "set-cookie"} & answer.headers.keys()
    assert int(answer.headers["content-length"]) == len(answer.body)
    row = await rig.row(answer.name)
    assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("ok", 3, 2)


async def test_stream_that_is_compressed_is_decompressed(rig: Rig) -> None:
    body = gzip.compress(delta("Hello.", finish="stop") + DONE)
    head = STREAM_HEAD[:-2] + b"Content-Encoding: gzip\r\n\r\n"

    answer = await rig.ask(saying(head, chunked(body), LAST_CHUNK))

    assert answer.text == "Hello."
    assert "content-encoding" not in answer.headers


@both_ways
@pytest.mark.parametrize("status", [b"204 No Content", b"301 Moved Permanently", b"304 Not Modified", b"201 Created"])
async def test_status_that_is_neither_success_nor_error_is_a_bad_gateway(rig: Rig, status: bytes, stream: bool) -> None:
    answer = await rig.ask(
        saying(b"HTTP/1.1 " + status + b"\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n"), stream=stream
    )

    await assert_failed(rig, answer, 502, "upstream_invalid_response")
    assert status[:3].decode() in answer.error["message"]


@both_ways
@pytest.mark.parametrize(
    "status",
    [
        b"400 Bad Request",
        b"401 Unauthorized",
        b"403 Forbidden",
        b"418 I'm a teapot",
        b"429 Too Many Requests",
        b"500 Internal Server Error",
        b"503 Service Unavailable",
        b"529 Overloaded",
    ],
)
async def test_error_of_a_provider_keeps_its_status_and_words_but_not_the_key(
    rig: Rig, status: bytes, stream: bool
) -> None:
    words = f"Incorrect API key provided: {KEY}; not sk-proj-0123456789abcdef either."
    body = json.dumps({"error": {"message": words, "type": "some_error", "code": "some_code", "param": None}}).encode()

    answer = await rig.ask(saying(response(body, b"Retry-After: 7", status=status)), stream=stream)

    await assert_failed(rig, answer, int(status[:3]), "some_code")
    assert answer.error["type"] == "some_error"
    assert answer.error["message"] == "Incorrect API key provided: [redacted]; not [redacted] either."
    assert answer.headers["retry-after"] == "7"
    row = await rig.row(answer.name)
    assert KEY not in row["error"]
    assert "sk-proj" not in row["error"]


@both_ways
async def test_key_that_a_provider_echoes_in_plain_text_is_redacted(rig: Rig, stream: bool) -> None:
    body = f"no such key: {KEY}".encode()

    answer = await rig.ask(saying(response(body, status=b"401 Unauthorized", media_type=b"text/plain")), stream=stream)

    assert (answer.status, answer.error["message"]) == (401, "no such key: [redacted]")


@both_ways
async def test_error_with_status_200_is_no_success(rig: Rig, stream: bool) -> None:
    body = json.dumps({"error": {"message": f"Busy, {KEY}.", "code": 503}}).encode()

    answer = await rig.ask(saying(response(body)), stream=stream)

    assert answer.status in (502, 503)
    assert answer.error["message"] == "Busy, [redacted]."
    assert (await rig.row(answer.name))["outcome"] == "error"


@both_ways
async def test_error_that_is_cut_keeps_its_status(rig: Rig, stream: bool) -> None:
    answer = await rig.ask(saying(response(b'{"error":{"message":"x"}}', status=b"500 Oops")[:-5]), stream=stream)

    assert answer.status == 500
    assert (await rig.row(answer.name))["status"] == 500


async def test_error_that_has_no_end_is_not_collected_for_ever(rig: Rig) -> None:
    async def flood(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
        while True:
            await peer.send(b"error " * 10_000)

    answer = await rig.ask(flood)

    assert answer.status == 500
    assert len(answer.body) < 10_000


async def test_provider_that_answers_before_it_read_the_request_is_heard(rig: Rig) -> None:
    refusal = response(b'{"error":{"message":"Too long."}}', b"Connection: close", status=b"413 Content Too Large")

    async def refuse(peer: Peer) -> None:
        await peer.send(refusal)
        await asyncio.sleep(0.3)

    rig.provider.reads_bodies = False
    try:
        answer = await rig.ask(refuse, padding="x" * 4_000_000)
    finally:
        rig.provider.reads_bodies = True

    assert (answer.status, answer.error["message"]) == (413, "Too long.")


async def test_calls_go_on_after_every_kind_of_fault(rig: Rig) -> None:
    answers = [await rig.ask(script) for script in (saying(), then_reset(), streaming(delta("Hi", finish="stop")))]

    assert [answer.status for answer in answers] == [502, 502, 200]
