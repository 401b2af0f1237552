"""The server's side of HTTP, by raw sockets: what uvicorn alone would get wrong."""

import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.faulty import without_receipt
from tests.e2e.gateway import Gateway, running_gateway

BODY = json.dumps({"model": "demo", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}).encode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def connect(gateway: Gateway) -> socket.socket:
    host, port = gateway.base_url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def post(gateway: Gateway, *headers: str) -> bytes:
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: gateway",
        f"Authorization: Bearer {gateway.token}",
        f"Content-Length: {len(BODY)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + BODY


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        data = connection.recv(65536)
        assert data, f"the connection ended after {received!r}"
        received += data
    return received


def remaining(head: bytes) -> int:
    found = re.search(rb"x-ratelimit-remaining-requests: (\d+)", head)
    assert found is not None
    return int(found[1])


def test_client_that_pipelines_and_leaves_keeps_no_unit_and_ends_its_call(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(post(gateway) + post(gateway))
        before = remaining(connection.recv(65536))

    time.sleep(0.5)  # the records are written
    with connect(gateway) as connection:
        connection.sendall(post(gateway, "Connection: close"))
        after = remaining(read_all(connection))

    assert after < before
    assert "Traceback" not in gateway.output()
    assert '"outcome":"client_gone"' in gateway.output()


def post_chunked(gateway: Gateway, *headers: str) -> bytes:
    head = post(gateway, *headers).removesuffix(BODY)
    sized = f"Content-Length: {len(BODY)}".encode()
    return head.replace(sized, b"Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB")
"""What Java's client sends by default."""


@pytest.mark.parametrize("write", [post, post_chunked])
def test_upgrade_to_h2c_is_ignored_and_the_body_read(gateway: Gateway, write: Callable[..., bytes]) -> None:
    request = write(gateway, *UPGRADE)
    head = request.index(b"\r\n\r\n") + 4

    for cut in (len(request), len(request) - 10, head, head + 2, head - 2):
        with connect(gateway) as connection:
            for piece in filter(None, (request[:cut], request[cut:])):
                connection.sendall(piece)
                time.sleep(0.05)
            answer = read_until(connection, b"0\r\n\r\n")

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"data: [DONE]" in answer


@pytest.mark.parametrize("write", [post, post_chunked])
def test_connection_with_an_ignored_upgrade_takes_further_requests(
    gateway: Gateway, write: Callable[..., bytes]
) -> None:
    greeting = "\r\n".join(["GET /healthz HTTP/1.1", "Host: gateway", *UPGRADE, "", ""]).encode()

    with connect(gateway) as connection:
        connection.sendall(write(gateway, *UPGRADE))
        first = read_until(connection, b"0\r\n\r\n")
        connection.sendall(greeting + write(gateway, *UPGRADE))
        second = read_until(connection, b"0\r\n\r\n")

    assert (first.count(b"HTTP/1.1 200 "), first.count(b"data: [DONE]")) == (1, 1)
    assert b'{"status":"ok"' in second
    assert (second.count(b"HTTP/1.1 200 "), second.count(b"data: [DONE]")) == (2, 1)


def test_client_that_asks_for_an_upgrade_and_to_close_is_closed(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(post_chunked(gateway, "Connection: Upgrade, close", "Upgrade: h2c") + post(gateway))
        answer = read_all(connection)

    assert answer.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nhello!!\r\n"])
def test_malformed_chunk_behind_an_ignored_upgrade_is_refused(gateway: Gateway, body: bytes) -> None:
    head = post_chunked(gateway, *UPGRADE).partition(b"\r\n\r\n")[0]

    with connect(gateway) as connection:
        connection.sendall(head + b"\r\n\r\n" + body)
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Invalid HTTP request" in answer


def test_head_without_end_is_refused(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nX-Long: " + b"a" * 70_000)
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b'"error"' in answer


def test_large_body_behind_a_head_is_no_large_head(gateway: Gateway) -> None:
    body = BODY[:-1] + b',"padding":"' + b"a" * 300_000 + b'"}'
    request = post(gateway, "Connection: close").replace(
        f"Length: {len(BODY)}".encode(), f"Length: {len(body)}".encode()
    )

    with connect(gateway) as connection:
        connection.sendall(request.removesuffix(BODY) + body)
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_many_calls_on_one_connection_are_no_large_head(gateway: Gateway) -> None:
    connection = http.client.HTTPConnection(gateway.base_url.removeprefix("http://"), timeout=10)

    for _ in range(10):
        connection.request("GET", "/healthz", headers={"X-Padding": "a" * 20_000})
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:14]) == (200, b'{"status":"ok"')
    connection.close()


def test_what_is_not_http_is_refused_in_openais_shape(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"


def test_trailers_are_bounded_and_no_headers(gateway: Gateway) -> None:
    head = post(gateway, "Connection: close").removesuffix(BODY).decode()
    chunked = "\r\n".join(
        "Transfer-Encoding: chunked" if line.startswith("Content-Length") else line for line in head.split("\r\n")
    )
    body = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n0\r\n"

    with connect(gateway) as connection:
        connection.sendall(chunked.encode() + body + b"Authorization: Bearer nope\r\n\r\n")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")

    with connect(gateway) as connection:
        connection.sendall(chunked.encode() + body + b"X-A: " + b"a" * 100)
        time.sleep(0.1)
        connection.sendall(b"a" * 100_000)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_garbage_behind_a_call_does_not_disturb_its_answer(gateway: Gateway) -> None:
    with connect(gateway) as connection:
        connection.sendall(post(gateway) + b"\x00garbage\r\n\r\n")
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert answer.endswith(b"\r\n0\r\n\r\n")


def test_client_of_http_1_0_gets_no_chunks(gateway: Gateway) -> None:
    body = BODY[:-1] + b',"stream":true}'
    request = post(gateway).replace(b"HTTP/1.1", b"HTTP/1.0")
    request = (
        request.replace(f"Length: {len(BODY)}".encode(), f"Length: {len(body)}".encode()).removesuffix(BODY) + body
    )

    with connect(gateway) as connection:
        connection.sendall(request)
        answer = read_all(connection)

    head, _, stream = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert stream.startswith(b"data: {")
    assert without_receipt(stream).endswith(b"data: [DONE]\n\n")
