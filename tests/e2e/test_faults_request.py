"""Requests that cannot be served as they are: too large, malformed, or odd."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import pytest_asyncio

from tests.e2e.faulty import WAIT_S, Rig, chat, faulty_rig, response, saying, whole

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults_request")]

MAX_BODY_BYTES = 1_000_000
MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    settings = {"MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
    async with faulty_rig(tmp_path_factory.mktemp("gateway"), settings) as running:
        yield running


async def post(rig: Rig, body: bytes, **headers: str) -> httpx.Response:
    """The answer to `body`; to each kind of request but a good one it is a refusal, which leaves no row."""
    rig.prepare(saying(response(whole())))
    given = {"authorization": f"Bearer {rig.gateway.token}", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items()]
    return await rig.client.post("/v1/chat/completions", content=body, headers=raw)


async def answer_over_a_raw_connection(rig: Rig, request: bytes) -> bytes:
    """The head and body that come in answer to `request`, of which perhaps not all is sent."""
    reader, writer = await rig.connect()
    try:
        writer.write(request)
        async with asyncio.timeout(WAIT_S):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return head + await reader.readexactly(length)
    finally:
        writer.transport.abort()


async def test_body_that_is_declared_too_large_is_refused_before_it_comes(rig: Rig) -> None:
    head = rig.raw_request(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (MAX_BODY_BYTES + 1))

    refusal = await answer_over_a_raw_connection(rig, head)

    assert refusal.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"request_too_large"' in refusal


async def test_chunked_body_is_refused_when_it_has_become_too_large(rig: Rig) -> None:
    piece = b"%x\r\n%s\r\n" % (100_000, b" " * 100_000)
    head = rig.raw_request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")

    refusal = await answer_over_a_raw_connection(rig, head + piece * (MAX_BODY_BYTES // 100_000 + 1))

    assert refusal.startswith(b"HTTP/1.1 413 ")
    assert b"MAX_BODY_BYTES" in refusal


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_body_that_grows_too_large_when_it_is_decompressed_is_refused(
    rig: Rig, encoding: str, compress: Callable[[bytes, int], bytes]
) -> None:
    bomb = compress(bytes(100_000_000), 1)
    assert len(bomb) < MAX_BODY_BYTES

    answer = await post(rig, bomb, content_encoding=encoding)

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


async def test_body_that_is_compressed_is_served(rig: Rig) -> None:
    body = json.dumps(chat(rig.name())).encode()

    answer = await post(rig, gzip.compress(body), content_encoding="gzip")

    assert answer.status_code == 200


async def test_body_that_is_chunked_is_served(rig: Rig) -> None:
    body = json.dumps(chat(rig.name())).encode()
    head = rig.raw_request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    rig.prepare(saying(response(whole())))
    chunks = b"5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])

    answer = await answer_over_a_raw_connection(rig, head + chunks)

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_client_that_waits_for_100_continue_gets_it(rig: Rig) -> None:
    request = rig.raw_request(json.dumps(chat(rig.name())).encode(), "Expect: 100-continue")
    head, body = request.split(b"\r\n\r\n", 1)
    rig.prepare(saying(response(whole())))
    reader, writer = await rig.connect()

    try:
        writer.write(head + b"\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            interim = await reader.readuntil(b"\r\n\r\n")
            writer.write(body)
            final = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.transport.abort()

    assert interim.startswith(b"HTTP/1.1 100 ")
    assert final.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("br", b"{}", id="unknown"),
        pytest.param("gzip", b"{}", id="no-gzip"),
        pytest.param("gzip", gzip.compress(b"{}")[:-4], id="half-a-gzip"),
        pytest.param("gzip, gzip", gzip.compress(b"{}"), id="twice"),
        pytest.param("\xff", b"{}", id="no-ascii"),
    ],
)
async def test_encoding_that_is_unknown_or_broken_is_a_bad_request(rig: Rig, encoding: str, body: bytes) -> None:
    answer = await post(rig, body, content_encoding=encoding)

    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(b'{"model": "a", ', id="half"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'"x"', id="a-string"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="utf-16"),
        pytest.param(b'{"model": NaN}', id="nan"),
        pytest.param(b'{"a":' * 100_000, id="nested-100000-deep-and-open"),
        pytest.param(b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="nested-100000-deep"),
    ],
)
async def test_body_that_is_no_json_object_is_a_bad_request(rig: Rig, body: bytes) -> None:
    answer = await post(rig, body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": MESSAGES}, "model"),
        ({"model": None, "messages": MESSAGES}, "model"),
        ({"model": " ", "messages": MESSAGES}, "model"),
        ({"model": 4, "messages": MESSAGES}, "model"),
        ({"model": ["demo"], "messages": MESSAGES}, "model"),
        ({"model": "demo"}, "messages"),
        ({"model": "demo", "messages": []}, "messages"),
        ({"model": "demo", "messages": "Hi"}, "messages"),
        ({"model": "demo", "messages": {"role": "user"}}, "messages"),
        ({"model": "demo", "messages": ["Hi"]}, "messages[0]"),
        ({"model": "demo", "messages": [*MESSAGES, {"content": "Hi"}]}, "messages[1]"),
        ({"model": "demo", "messages": [{"role": 1, "content": "Hi"}]}, "messages[0]"),
        ({"model": "demo", "messages": MESSAGES, "stream": "yes"}, "stream"),
        ({"model": "demo", "messages": MESSAGES, "stream": 1}, "stream"),
        ({"model": "demo", "messages": MESSAGES, "stream_options": [1]}, "stream_options"),
    ],
)
async def test_field_that_cannot_be_is_named_as_param(rig: Rig, fields: dict[str, object], param: str) -> None:
    answer = await post(rig, json.dumps(fields).encode())

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_model_that_is_named_twice_reaches_the_provider_once(rig: Rig) -> None:
    last = rig.name()
    body = f'{{"model":"demo","messages":{json.dumps(MESSAGES)},"model":"{last}"}}'.encode()

    answer = await post(rig, body)

    assert answer.status_code == 200
    assert rig.provider.bodies[-1] == {"model": last.partition("/")[2], "messages": MESSAGES}


async def test_key_that_looks_like_the_models_inside_a_message_is_left_alone(rig: Rig) -> None:
    name = rig.name()
    tricky = [{"role": "user", "content": f'"model":"{name}"', "model": name}]

    answer = await post(rig, json.dumps({"messages": tricky, "model": name}).encode())

    assert answer.status_code == 200
    assert rig.provider.bodies[-1] == {"messages": tricky, "model": name.partition("/")[2]}


async def test_model_that_nobody_has_is_not_found_and_leaves_a_row(rig: Rig) -> None:
    name = rig.name("nobody")

    answer = await post(rig, json.dumps(chat(name)).encode())

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    row = await rig.row(name)
    assert (row["outcome"], row["status"], row["provider"]) == ("error", 404, None)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"NOT HTTP AT ALL\r\n\r\n", id="no-http"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls"),
        pytest.param(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n", id="length-in-letters"),
        pytest.param(b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\n\r\n", id="endless-path"),
    ],
)
async def test_client_that_speaks_no_http_does_no_harm(rig: Rig, request_bytes: bytes) -> None:
    reader, writer = await rig.connect()
    try:
        writer.write(request_bytes)
        async with asyncio.timeout(WAIT_S):
            answer = await reader.read(100)
    except ConnectionError:
        answer = b""
    finally:
        writer.transport.abort()

    assert answer == b"" or answer.split(b" ", 2)[1][:1] == b"4"
    assert (await post(rig, json.dumps(chat(rig.name())).encode())).status_code == 200
