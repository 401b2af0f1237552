"""Alerts of a real gateway of two processes: what a provider did is told, also where another one answered in its place."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.e2e.chat import failure, whole
from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, Exchange, StandIn, running_standin

pytestmark = pytest.mark.xdist_group("alerts")

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
KEY = "sk-planted-0123456789"


@pytest.fixture(scope="module")
def provider() -> Iterator[StandIn]:
    with running_standin() as running:
        running.answer = answer
        yield running


@pytest.fixture(scope="module")
def receiver() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


def answer(exchange: Exchange) -> Answer:
    """One refuses its key and quotes it; the other one answers."""
    if exchange.path.startswith("/refusing/"):
        return failure(401, f"Incorrect API key provided: {KEY}.")
    if exchange.json["model"] == "old":
        return failure(400, "The model `old` does not exist.")
    return whole()


@pytest.fixture(scope="module")
def gateway(provider: StandIn, receiver: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    def entry(name: str, *models: str) -> dict[str, Any]:
        base_url = f"{provider.base_url}/{name}/v1"
        return {"base_url": base_url, "api_key_env": "KEY", "supported_models": models, "retries": 0}

    config = {"refusing": entry("refusing", "m"), "answering": entry("answering", "m", "old")}
    environ = {
        "ALERT_WEBHOOK_URL": receiver.base_url,
        "ALERT_WEBHOOK_SECRET": SECRET,
        "KEY": KEY,
        "WEB_ALLOW": "127.0.0.1",
    }
    with running_gateway(tmp_path_factory.mktemp("gateway"), config, environ, workers=2) as running:
        yield running


def ask(gateway: Gateway, model: str) -> int:
    headers = {"authorization": f"Bearer {gateway.token}"}
    url = f"{gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=chat(model), headers=headers, timeout=WAIT_S, trust_env=False).status_code


def alerts(gateway: Gateway) -> dict[tuple[str, str, str, int], Any]:
    """As the command line tells them."""
    command = [sys.executable, "-m", "cli", "alerts", "--json"]
    environ = gateway.environment()
    done = subprocess.run(command, env=environ, cwd=gateway.folder, capture_output=True, check=True, timeout=WAIT_S)
    return {
        (each["error_type"], each["provider_id"], each["model_id"], each["status_code"]): each
        for each in json.loads(done.stdout)["alerts"]
        if each["error_type"] != "unknown_price"
    }


def test_what_went_wrong_is_told_by_the_providers_own_status(gateway: Gateway) -> None:
    assert [ask(gateway, "m") for _ in range(4)] == [200] * 4
    assert ask(gateway, "old") == 400
    gateway.wait_for_rows(5)

    found = alerts(gateway)

    assert found.keys() == {("auth_error", "refusing", "m", 401), ("not_found", "answering", "old", 400)}
    refused = found["auth_error", "refusing", "m", 401]
    assert (refused["count"], refused["severity"]) == (4, "critical")
    assert KEY not in refused["error_message"]
    assert "Incorrect API key provided" in refused["error_message"]


def test_webhook_is_told_of_each_once_over_both_workers(gateway: Gateway, receiver: StandIn) -> None:
    assert (ask(gateway, "m"), ask(gateway, "old")) == (200, 400)

    def told() -> list[str]:
        messages = [Webhook(SECRET).verify(post.body, post.headers) for post in list(receiver.posts)]
        return sorted(alert["error_type"] for message in messages for alert in message["data"]["alerts"])

    give_up_at = time.monotonic() + WAIT_S
    while len(told()) < 2:
        assert time.monotonic() < give_up_at, "nobody was told"
        time.sleep(0.05)
    assert ask(gateway, "m") == 200
    time.sleep(6)  # both workers have looked again

    assert told() == ["auth_error", "not_found"]
    assert not [post for post in receiver.posts if KEY.encode() in post.body]
