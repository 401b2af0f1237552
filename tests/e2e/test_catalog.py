"""Models and providers that are added while the gateway runs."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn
from tests.e2e.test_surfaces import COMPLETION

LIVE_S = 2.0
"""How long a change may take to reach every worker, and a moment for a busy machine."""


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"local": {"base_url": f"{provider.base_url}/v1", "supported_models": ["known"], **ONE_ATTEMPT}}
    with running_gateway(tmp_path_factory.mktemp("catalog"), config, workers=2) as running:
        yield running


@pytest.fixture
def client(relay: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=relay.base_url, headers={"authorization": f"Bearer {relay.token}"}) as opened:
        yield opened


def command(relay: Gateway, *arguments: str) -> None:
    environ = os.environ | {"RELAY_DATA_DIR": str(relay.data_dir), "RELAY_CONFIG": str(relay.config_path)}
    subprocess.run([sys.executable, "-m", "cli", *arguments], cwd=relay.folder, env=environ, check=True, timeout=60)


def call(client: httpx.Client, model: str) -> httpx.Response:
    return client.post("/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": "Hi"}]})


def always(said: Callable[[], bool], count: int = 8) -> bool:
    """Every worker says so, as far as asking many times tells."""
    give_up_at = time.monotonic() + LIVE_S + 5
    while time.monotonic() < give_up_at:
        if all(said() for _ in range(count)):
            return True
        time.sleep(0.1)
    return False


def fresh(relay: Gateway, model: str) -> int:
    """The status of a call on a connection of its own, so that any worker may answer it."""
    with httpx.Client(base_url=relay.base_url, headers={"authorization": f"Bearer {relay.token}"}) as client:
        return call(client, model).status_code


def test_model_that_is_added_resolves_and_is_listed_in_every_worker_without_a_restart(
    relay: Gateway, provider: StandIn, client: httpx.Client
) -> None:
    provider.answer = Answer.json(COMPLETION)
    assert call(client, "preview").status_code == 404

    command(
        relay, "models", "add", "local/preview", "--context-length", "4096", "--description", "A preview of things."
    )

    assert always(lambda: fresh(relay, "preview") == 200)
    (entry,) = [each for each in client.get("/v1/models").json()["data"] if each["id"] == "preview"]
    assert entry["context_length"] == 4096
    assert entry["description"] == "A preview of things."
    shown = client.post("/api/show", json={"model": "preview"}).json()
    assert shown["model_info"]["general.description"] == "A preview of things."


def test_model_that_is_switched_off_is_refused_in_every_worker(relay: Gateway, provider: StandIn) -> None:
    provider.answer = Answer.json(COMPLETION)
    assert fresh(relay, "known") == 200

    command(relay, "models", "modify", "local/known", "--disabled")
    assert always(lambda: fresh(relay, "known") == 404)

    command(relay, "models", "delete", "local/known")
    assert always(lambda: fresh(relay, "known") == 200)


def test_provider_that_is_added_serves_calls_and_one_that_is_removed_none(relay: Gateway, provider: StandIn) -> None:
    provider.answer = Answer.json(COMPLETION)

    command(relay, "providers", "add", "own", "--base-url", f"{provider.base_url}/own/v1", "--models", "mine")
    assert always(lambda: fresh(relay, "own/mine") == 200)
    assert provider.posts[-1].path == "/own/v1/chat/completions"

    command(relay, "providers", "delete", "own")
    assert always(lambda: fresh(relay, "own/mine") == 404)


def test_added_models_outlive_a_change_of_the_configuration_and_a_restart(provider: StandIn, tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "local": {"base_url": f"{provider.base_url}/v1", "supported_models": ["known"], **ONE_ATTEMPT}
    }
    provider.answer = Answer.json(COMPLETION)
    with running_gateway(tmp_path, config) as relay:
        command(relay, "models", "add", "local/preview")
        assert always(lambda: fresh(relay, "preview") == 200)

        relay.write_config(config | {"other": config["local"]})
        relay.reload()
        assert always(lambda: fresh(relay, "other/known") == 200)
        assert fresh(relay, "preview") == 200

        relay.stop()
        relay.start()
        assert fresh(relay, "preview") == 200
