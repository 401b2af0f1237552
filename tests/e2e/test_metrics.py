"""`/metrics` of a real gateway of two processes, read by the parser of prometheus-client."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from app.metering.exposition import WRITE_S
from app.metering.writer import BATCH_S
from tests.e2e.faulty import chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.load import workers_of

pytestmark = pytest.mark.xdist_group("metrics")

WAIT_S = 20.0
CALLS = 30


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    environ = {"METRICS_CIDRS": "192.0.2.0/24", "TRUSTED_PROXIES": "127.0.0.1"}
    with running_gateway(tmp_path_factory.mktemp("gateway"), {}, environ, workers=2) as running:
        yield running


def read(gateway: Gateway, address: str = "192.0.2.1") -> httpx.Response:
    """Over a connection of its own, so that any worker may answer."""
    headers = {"x-forwarded-for": address}
    return httpx.get(f"{gateway.base_url}/metrics", headers=headers, timeout=WAIT_S, trust_env=False)


def total(gateway: Gateway, name: str, **labels: str) -> float:
    text = read(gateway).raise_for_status().text
    return sum(
        sample.value
        for family in parse(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def call(gateway: Gateway, token: str, model: str = "demo") -> int:
    headers = {"authorization": f"Bearer {token}"}
    url = f"{gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=chat(model), headers=headers, timeout=WAIT_S, trust_env=False).status_code


def wait_for(gateway: Gateway, wanted: float, name: str, **labels: str) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while (found := total(gateway, name, **labels)) != wanted:
        assert time.monotonic() < give_up_at, f"{name} is {found}, not {wanted}"
        time.sleep(0.05)


def settled_total(gateway: Gateway, name: str) -> float:
    """When every worker has counted what is over by now, and left it for the others."""
    time.sleep(BATCH_S + 1.5 * WRITE_S)
    return total(gateway, name)


def test_calls_of_both_workers_are_counted_once_and_never_fewer(gateway: Gateway) -> None:
    token = gateway.add_token()
    assert [call(gateway, token) for _ in range(CALLS)] == [200] * CALLS
    told: list[float] = []

    give_up_at = time.monotonic() + WAIT_S
    while not told or told[-1] < CALLS:
        assert time.monotonic() < give_up_at
        told.append(total(gateway, "llm_relay_calls_total", provider="demo", outcome="ok", status="2xx"))

    assert told == sorted(told)
    assert [total(gateway, "llm_relay_calls_total", provider="demo") for _ in range(10)] == [CALLS] * 10
    assert total(gateway, "llm_relay_call_duration_seconds_count", provider="demo") == CALLS
    assert total(gateway, "llm_relay_first_byte_seconds_count", provider="demo") == CALLS
    assert total(gateway, "llm_relay_tokens_total", **{"class": "output"}) > CALLS
    wait_for(gateway, 2, "llm_relay_workers")


def test_refusals_of_both_workers_are_counted_by_reason(gateway: Gateway) -> None:
    token = gateway.add_token(rate_limit=1)

    statuses = [call(gateway, token) for _ in range(6)]

    assert sorted(statuses) == [200, *[429] * 5]
    wait_for(gateway, 5, "llm_relay_refusals_total", reason="quota")


def test_names_that_a_client_makes_up_are_no_labels(gateway: Gateway) -> None:
    token = gateway.add_token()

    assert {call(gateway, token, f"made-up-{number}") for number in range(5)} == {404}

    wait_for(gateway, 5, "llm_relay_calls_total", status="4xx")
    assert "made-up" not in read(gateway).text


def test_refusals_by_a_limit_are_counted_beside_the_calls(gateway: Gateway) -> None:
    token = gateway.add_token(requests_per_minute=1)

    statuses = [call(gateway, token) for _ in range(4)]

    assert statuses.count(429) >= 2, "all but one, and one more where a minute began in between"
    wait_for(gateway, statuses.count(429), "llm_relay_refusals_total", reason="limit")


def test_nobody_else_may_read(gateway: Gateway) -> None:
    answer = read(gateway, "198.51.100.7")

    assert answer.status_code == 401
    assert "llm_relay" not in answer.text


def test_worker_that_is_killed_takes_no_count_with_it(gateway: Gateway) -> None:
    before = settled_total(gateway, "llm_relay_calls_total")
    killed = workers_of(gateway)[0]

    os.kill(killed, signal.SIGKILL)
    give_up_at = time.monotonic() + WAIT_S
    while killed in workers_of(gateway) or len(workers_of(gateway)) < 2:
        assert time.monotonic() < give_up_at, "no worker took its place"
        time.sleep(0.05)
    wait_for(gateway, before, "llm_relay_calls_total")


def test_next_start_begins_at_nothing(tmp_path: Path) -> None:
    with running_gateway(tmp_path, {}, {"METRICS_CIDRS": "127.0.0.1"}, workers=2) as gateway:
        assert call(gateway, gateway.token) == 200
        wait_for(gateway, 1, "llm_relay_calls_total")

    gateway.start()

    assert total(gateway, "llm_relay_calls_total") == 0
    assert call(gateway, gateway.token) == 200
    wait_for(gateway, 1, "llm_relay_calls_total")
    gateway.stop()
