"""What the gateway is to the network and to the machine around it: TLS, proxies in front, rotated logs, files of settings."""

import asyncio
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.process import serving
from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, free_port, running_gateway
from tests.providers.transport.servers import Authority

pytestmark = pytest.mark.xdist_group("edge")


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With a proxy on the same machine in front, and networks behind it."""
    environ = {"TRUSTED_PROXIES": "127.0.0.0/8, 10.0.0.0/8"}
    with running_gateway(tmp_path_factory.mktemp("gateway"), environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def in_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """With no proxy that it would trust."""
    with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def call(gateway: Gateway, forwarded_for: str = "", *, token: str = "") -> httpx.Response:
    """A call that claims to come from `forwarded_for`."""
    headers = {"authorization": f"Bearer {token or gateway.token}", "x-forwarded-for": forwarded_for}
    url = f"{gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=chat("demo"), headers=headers, timeout=WAIT_S, trust_env=False)


def client_of(gateway: Gateway, answer: httpx.Response) -> str:
    return str(gateway.row_of(answer.headers["x-request-id"])["client"])


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("10.1.2.3", "10.1.2.3"),
        ("nonsense", "127.0.0.1"),
        ("203.0.113.9, nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_address_that_a_trusted_proxy_forwards_is_the_clients(
    behind_proxy: Gateway, forwarded_for: str, client: str
) -> None:
    answer = call(behind_proxy, forwarded_for)

    assert client_of(behind_proxy, answer) == client


def test_address_that_anybody_else_forwards_is_not_believed(in_front: Gateway) -> None:
    answer = call(in_front, "203.0.113.9")

    assert client_of(in_front, answer) == "127.0.0.1"


def test_address_that_failed_to_authenticate_thirty_times_is_told_to_wait(behind_proxy: Gateway) -> None:
    guesses = [call(behind_proxy, "192.0.2.31", token=f"lr_guess{number:03d}") for number in range(31)]

    assert [guess.status_code for guess in guesses] == [401] * 30 + [429]
    assert 0 < int(guesses[-1].headers["retry-after"]) <= 60
    assert guesses[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert call(behind_proxy, "192.0.2.31").status_code == 429
    assert call(behind_proxy, "192.0.2.32").status_code == 200


def test_requests_that_are_good_are_never_held_to_be_guesses(in_front: Gateway) -> None:
    statuses = {call(in_front).status_code for _ in range(40)}

    assert statuses == {200}


async def test_log_file_may_be_moved_away_under_load(in_front: Gateway) -> None:
    rotated = [in_front.log_file.with_suffix(f".{number}") for number in range(3)]
    headers = {"authorization": f"Bearer {in_front.token}"}
    answers: list[httpx.Response] = []
    enough = asyncio.Event()

    async def load() -> None:
        async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False, headers=headers) as client:
            while not enough.is_set():
                answers.append(await client.post(f"{in_front.base_url}/v1/chat/completions", json=chat("demo")))
                await asyncio.sleep(0.01)

    calls = [asyncio.create_task(load()) for _ in range(3)]
    for path in rotated:
        await asyncio.sleep(0.2)
        in_front.log_file.rename(path)
        await wait_for(in_front.log_file)
    enough.set()
    await asyncio.gather(*calls)
    await asyncio.to_thread(in_front.row_of, answers[-1].headers["x-request-id"])

    lines = [json.loads(line) for path in [*rotated, in_front.log_file] for line in path.read_text().splitlines()]
    logged = [line["request_id"] for line in lines if line.get("event") == "call"]
    assert len(logged) == len(set(logged))
    assert {answer.headers["x-request-id"] for answer in answers} <= set(logged)


async def wait_for(path: Path) -> None:
    """Return when there is a file."""
    deadline = time.monotonic() + WAIT_S
    while not path.exists():  # noqa: ASYNC240 - it takes microseconds
        assert time.monotonic() < deadline, f"{path} was not made"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_tls_is_served_with_the_certificate_that_is_set(tmp_path: Path, workers: str) -> None:
    authority, port = Authority(tmp_path), free_port()
    certificate, key = authority.server_files("127.0.0.1")
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    files = {"SSL_CERTFILE": certificate, "SSL_KEYFILE": key}
    url, folder = f"https://127.0.0.1:{port}", tmp_path / "empty"
    folder.mkdir()

    with serving(folder, f"{url}/healthz", "--port", str(port), "--workers", workers, verify=trusting, environ=files):
        answer = httpx.get(f"{url}/v1/models", verify=trusting, trust_env=False)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)

    assert answer.status_code == 401
    assert f"curl {url}/v1/chat/completions" in (tmp_path / "output.txt").read_text()


def test_settings_are_read_from_the_named_file_wherever_it_is_started(tmp_path: Path) -> None:
    elsewhere, settings, port = tmp_path / "elsewhere", tmp_path / "settings", free_port()
    elsewhere.mkdir()
    settings.mkdir()
    (settings / "relay.env").write_text(f"SERVER_PORT={port}\nRELAY_DATA_DIR={settings}/data\n")

    with serving(
        elsewhere, f"http://127.0.0.1:{port}/healthz", "--env-file", "../settings/relay.env", "--workers", "2"
    ):
        pass

    assert (settings / "data" / "relay.db").is_file()
    assert list(elsewhere.iterdir()) == []
