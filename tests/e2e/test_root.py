"""What Ollama's clients look for before they call: the greeting at `/`, byte by byte, and HEAD where its server has it."""

import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.gateway import Gateway, running_gateway

GREETING = b"Ollama is running"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("root")) as running:
        yield running


def exchange(gateway: Gateway, method: str, accept: str = "*/*") -> tuple[bytes, bytes]:
    """Head and body of the answer, as they stand on the wire until the end of the connection."""
    request = f"{method} / HTTP/1.1\r\nHost: gateway\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(request.encode())
        received = b""
        while data := connection.recv(65536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    return head.lower(), body


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_get_says_that_ollama_is_running(relay: Gateway, accept: str) -> None:
    head, body = exchange(relay, "GET", accept)

    assert head.startswith(b"http/1.1 200 ")
    assert b"content-type: text/plain; charset=utf-8" in head
    assert b"content-length: %d" % len(GREETING) in head
    assert body == GREETING


def test_head_tells_the_length_and_has_no_body(relay: Gateway) -> None:
    head, body = exchange(relay, "HEAD")

    assert head.startswith(b"http/1.1 200 ")
    assert b"content-length: %d" % len(GREETING) in head
    assert b"transfer-encoding" not in head
    assert body == b""


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/api/version", "/api/tags"])
def test_connection_goes_on_after_a_head(relay: Gateway, path: str) -> None:
    headers = {"authorization": f"Bearer {relay.token}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, trust_env=False) as client:
        head = client.head(path)
        get = client.get(path)

    assert (head.status_code, head.content, get.status_code) == (200, b"", 200)
    assert head.headers["content-length"] == str(len(get.content))


def test_other_methods_are_refused(relay: Gateway) -> None:
    answer = httpx.post(relay.base_url, trust_env=False)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
