"""A real gateway prices its calls: those of its first moments too, and by another price as soon as there is one."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.money import PICO_USD
from tests.e2e.chat import HELLO, whole
from tests.e2e.gateway import Gateway, Row
from tests.e2e.standin import StandIn

LIVE_S = 10.0
"""Far more than two seconds, on a machine that is busy with other tests."""


@pytest.fixture
def gateway_apart(standin: StandIn, tmp_path: Path) -> Iterator[Gateway]:
    entry = {"base_url": f"{standin.base_url}/v1", "supported_models": ["gpt-4o", "acme-1"]}
    config = {"acme": entry | {"prices": "openai"}, "local": entry | {"prices": "free"}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    standin.answer = whole(usage=usage)
    running = Gateway(tmp_path, config)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def call(gateway: Gateway, model: str) -> Row:
    response = httpx.post(
        f"{gateway.base_url}/v1/chat/completions",
        json={"model": model, "messages": HELLO},
        headers={"authorization": f"Bearer {gateway.token}"},
        trust_env=False,
    )
    assert response.status_code == 200, response.text
    return gateway.row_of(response.headers["x-request-id"])


def relay(gateway: Gateway, *arguments: str) -> Any:
    command = [sys.executable, "-m", "cli", *arguments, "--json"]
    done = subprocess.run(
        command, cwd=gateway.folder, env=gateway.environment(), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_calls_of_the_first_moments_have_their_cost_too(gateway_apart: Gateway) -> None:
    priced, free, unknown = (call(gateway_apart, name) for name in ("acme/gpt-4o", "local/gpt-4o", "acme/acme-1"))

    assert priced["cost"] == 3_500_000_000  # 1000 at 2.50 USD and 100 at 10 USD a million
    assert priced["price_version"].startswith("genai-prices ")
    assert (free["cost"], free["price_version"]) == (0, "free")
    assert (unknown["cost"], unknown["price_version"]) == (None, None)


def test_price_that_is_set_is_live_and_reprices_what_was(gateway_apart: Gateway) -> None:
    before = call(gateway_apart, "acme/acme-1")

    price = relay(gateway_apart, "models", "price", "set", "acme/acme-1", "--input", "1", "--output", "10")
    give_up_at = time.monotonic() + LIVE_S
    while (after := call(gateway_apart, "acme/acme-1"))["cost"] is None and time.monotonic() < give_up_at:
        time.sleep(0.1)
    repriced = relay(gateway_apart, "usage", "reprice", "--since", "2026-01-01", "--yes")

    assert before["cost"] is None
    assert (after["cost"], after["price_version"]) == (PICO_USD // 500, price["version"])
    assert repriced["changed"] >= 1
    assert gateway_apart.row_of(before["id"])["cost"] == after["cost"]
