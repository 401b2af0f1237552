"""Smart models that come, change and go while two workers run: each of them knows within two seconds."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.test_serving_workers import BUSY_S, cli
from tests.waiting import wait_for as wait_until

pytestmark = pytest.mark.xdist_group("names_workers")

LIVE_S = 2.0
CALLS = 12
"""So many over connections of their own that both workers take some."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("names_workers"), workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def token(gateway: Gateway) -> str:
    return gateway.add_token("admin", admin=True, rate_limit=100_000)


def call(gateway: Gateway, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
    """Over a connection of its own, so that any worker may take it."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.request(method, gateway.base_url + path, json=body, headers=headers, timeout=WAIT_S, trust_env=False)


def wait_for(gateway: Gateway, token: str, model: str, status: int) -> float:
    """Until so many calls in a row have that status; how long the last other one took to go."""
    begun = last_other = time.monotonic()
    in_a_row = 0
    while in_a_row < CALLS:
        assert time.monotonic() - begun < WAIT_S, f"{model} never had status {status} everywhere"
        if call(gateway, token, "POST", "/v1/chat/completions", chat(model)).status_code == status:
            in_a_row += 1
        else:
            in_a_row, last_other = 0, time.monotonic()
            time.sleep(0.02)
    return last_other - begun


def owners(gateway: Gateway, token: str) -> dict[str, str]:
    """Whose each listed model is, as one of the workers lists it."""
    return {each["id"]: each["owned_by"] for each in call(gateway, token, "GET", "/v1/models").json()["data"]}


def test_alias_that_is_added_changed_and_removed_over_http_is_live_in_both_workers(
    gateway: Gateway, token: str
) -> None:
    path = "/admin/api/aliases"
    assert call(gateway, token, "POST", "/v1/chat/completions", chat("by-http")).status_code == 404

    added = call(gateway, token, "POST", path, {"name": "by-http", "target": "demo"})
    assert added.status_code == 201
    assert wait_for(gateway, token, "by-http", 200) < LIVE_S + BUSY_S
    wait_until(lambda: all(owners(gateway, token).get("by-http") == "alias" for _ in range(CALLS)))

    assert call(gateway, token, "PATCH", f"{path}/{added.json()['id']}", {"enabled": False}).status_code == 200
    assert wait_for(gateway, token, "by-http", 404) < LIVE_S + BUSY_S
    assert call(gateway, token, "PATCH", f"{path}/by-http", {"enabled": True}).status_code == 200
    wait_for(gateway, token, "by-http", 200)
    assert call(gateway, token, "DELETE", f"{path}/by-http").status_code == 204
    assert wait_for(gateway, token, "by-http", 404) < LIVE_S + BUSY_S


def test_names_that_come_by_the_command_line_are_live_in_both_workers(gateway: Gateway, token: str) -> None:
    cli(gateway, "names", "add", "alias", "by-command", "--target", "demo", "--offline")
    assert wait_for(gateway, token, "by-command", 200) < LIVE_S + BUSY_S
    exported = cli(gateway, "names", "export")
    (gateway.folder / "names.yaml").write_text(exported.replace("by-command", "by-import"))

    cli(gateway, "names", "import", "names.yaml", "--replace", "--yes", "--offline")

    assert wait_for(gateway, token, "by-import", 200) < LIVE_S + BUSY_S
    assert wait_for(gateway, token, "by-command", 404) < LIVE_S + BUSY_S
