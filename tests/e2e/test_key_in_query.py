"""Google's clients may send their key as `?key=`: nothing that the gateway writes has it, wherever the call ends."""

import contextlib
import re
import socket
import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.faulty import WAIT_S
from tests.e2e.gateway import Gateway, running_gateway

pytestmark = pytest.mark.xdist_group("key_in_query")

ODD_KEY = "Abc123-of-no-known-shape-4567"
"""Not good, and of no shape that anybody would know for a key, as a predecessor's tokens are."""

CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
CALLS = [
    ("POST", "/v1beta/models/demo:generateContent?key={key}", 200),
    ("POST", "/v1beta/models/demo:streamGenerateContent?alt=sse&key={key}", 200),
    ("POST", "/v1beta/models/demo:countTokens?key={key}", 200),
    ("POST", "/v1beta/models/nobody:generateContent?key={key}", 404),
    ("POST", "/v1beta/models/nobody%3Fkey={key}:generateContent?key={key}", 404),
    ("GET", "/v1beta/models?key={key}", 200),
    ("GET", "/v1beta/models/nobody%3Fkey%3D{key}?key={key}", 404),
    ("GET", "/v1/models?key={key}", 200),
    ("GET", "/nowhere?key={key}", 404),
    ("GET", "/nowhere%3Fkey%3D{key}", 404),
    ("POST", "/v1beta/nowhere?alt=sse&key={key}", 404),
    ("DELETE", "/v1beta/models?key={key}", 405),
]
MALFORMED = [
    "GET /v1beta/models?key={key} HTTP/9.9\r\n\r\n",
    "GET /v1beta/models?key={key}\r\n\r\n",
    "G@T /v1beta/models?key={key} HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "GET http://[::1/v1beta/models?key={key}# HTTP/1.1\r\nHost: gateway\r\n\r\n",
    "GET /v1beta/models?key={key} HTTP/1.1\r\nHost: gateway\r\nno header\r\n\r\n",
    "GET /v1beta/models?key={key} HTTP/1.1\r\nHost: gateway\r\nX-Long: " + "a" * 70_000,
    "POST /v1beta/models/demo:generateContent?key={key} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 7\r\n\r\nno json",
    "POST /v1beta/models/demo:generateContent?key={key} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 99\r\n\r\ncut",
]


@pytest.fixture(params=["json", "console"], scope="module")
def relay(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """It logs all that there is to log."""
    environ = {"LOG_LEVEL": "DEBUG", "LOG_FORMAT": request.param}
    with running_gateway(tmp_path_factory.mktemp("keys"), environ=environ) as running:
        yield running


def written_by(gateway: Gateway) -> str:
    """Its output, its log file, and all texts in its database."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.database_path}?mode=ro", uri=True)) as connection:
        dump = "\n".join(connection.iterdump())
    return "\n".join([gateway.output(), gateway.log_file.read_text(encoding="utf-8"), dump])


def secret_part(key: str) -> str:
    """What nobody may see; the public id of a token of ours may be seen."""
    return key.rpartition("_")[2]


def send_raw(gateway: Gateway, request: str) -> bytes:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=WAIT_S) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):  # it need not read all that it refuses
            while data := connection.recv(65536):
                received += data
        return received


@pytest.mark.parametrize("is_good", [True, False])
def test_key_is_in_no_log_no_error_and_no_record(relay: Gateway, *, is_good: bool) -> None:
    key = relay.add_token("google") if is_good else ODD_KEY
    said = []

    with httpx.Client(base_url=relay.base_url, trust_env=False, timeout=WAIT_S) as client:
        for method, path, status in CALLS:
            answer = client.request(method, path.format(key=quote(key)), json=CONTENTS if method == "POST" else None)
            assert answer.status_code == status or (not is_good and answer.status_code in (401, 404, 405))
            said.append(answer.text)
    said += [send_raw(relay, request.format(key=key)).decode() for request in MALFORMED]

    if is_good:
        relay.wait_for_rows(4)
        assert re.search(r"nobody.{0,3}\?key=\[redacted\]", written_by(relay))
    assert secret_part(key) not in "\n".join(said)
    assert secret_part(key) not in written_by(relay)
