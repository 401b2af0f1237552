"""Lists of models come from memory, whatever providers do: one that hangs, one that dies later."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.faulty import WAIT_S
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn, running_standin

pytestmark = pytest.mark.xdist_group("model_lists")

HANGING = Answer(delay_s=600)
LISTS = ["/v1/models", "/v1beta/models", "/api/tags", "/api/ps", "/v1/models/quick-1", "/v1beta/models/quick-1"]


def listing(*names: str) -> Answer:
    return Answer.json({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


@pytest.fixture(scope="module")
def slow() -> Iterator[StandIn]:
    """A provider that takes the request for its list, and says nothing."""
    with running_standin() as running:
        running.models = HANGING
        yield running


@pytest.fixture(scope="module")
def mortal() -> Iterator[StandIn]:
    """A provider that a test may end."""
    standin = StandIn()
    standin.models = listing("mortal-1")
    standin.start()
    yield standin
    if standin.is_running:
        standin.stop()


@pytest.fixture(scope="module")
def relay(slow: StandIn, mortal: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_standin() as quick:
        quick.models = listing("quick-1", "quick-2")
        config = {
            name: {"base_url": f"{standin.base_url}/v1"}
            for name, standin in (("slow", slow), ("quick", quick), ("mortal", mortal))
        }
        with running_gateway(tmp_path_factory.mktemp("lists"), config) as running:
            yield running


def fetch(gateway: Gateway, path: str, **headers: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {gateway.token}", **headers}
    return httpx.get(gateway.base_url + path, headers=headers, timeout=WAIT_S, trust_env=False)


def wait_for(gateway: Gateway, *names: str) -> None:
    """Until these are listed."""
    give_up_at = time.monotonic() + WAIT_S
    while not all(name in (said := fetch(gateway, "/v1/models").text) for name in names):
        assert time.monotonic() < give_up_at, f"never listed: {names}; {said}"
        time.sleep(0.02)


def wait_until_asked(provider: StandIn) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while not provider.exchanges:
        assert time.monotonic() < give_up_at, "it was never asked for its list"
        time.sleep(0.005)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("version", ["", "2023-06-01"], ids=["", "anthropic"])
def test_list_comes_while_a_provider_still_holds_its_own_back(
    relay: Gateway, slow: StandIn, path: str, version: str
) -> None:
    wait_for(relay, "quick-1", "mortal-1")
    slow.forget()
    relay.reload()
    wait_until_asked(slow)

    answer = fetch(relay, path, **({"anthropic-version": version} if version else {}))

    (held,) = slow.exchanges
    assert not held.left.is_set()
    assert not held.answered.is_set()
    assert answer.status_code == 200
    assert "quick-1" in answer.text


def test_last_good_list_stays_when_its_provider_dies(relay: Gateway, mortal: StandIn) -> None:
    wait_for(relay, "quick-1", "mortal-1")
    mortal.stop()
    relay.reload()
    give_up_at = time.monotonic() + WAIT_S
    while "provider mortal: its models are not known" not in relay.output():
        assert time.monotonic() < give_up_at, "it was not asked again"
        time.sleep(0.02)

    said = {path: fetch(relay, path).text for path in ("/v1/models", "/v1beta/models", "/api/tags")}

    assert {path: "mortal-1" in text for path, text in said.items()} == dict.fromkeys(said, True)
    assert fetch(relay, "/v1/models/mortal-1").status_code == 200


def test_model_that_a_provider_gets_is_listed_and_one_that_it_loses_is_not(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_standin() as provider:
        provider.models = listing("old")
        config = {"one": {"base_url": f"{provider.base_url}/v1"}}
        with running_gateway(tmp_path_factory.mktemp("changing"), config) as gateway:
            wait_for(gateway, "old")

            provider.models = listing("new")
            gateway.reload()

            wait_for(gateway, "new")
            assert [model["id"] for model in fetch(gateway, "/v1/models").json()["data"]] == ["new", "demo"]


def test_start_warns_of_a_name_of_which_no_target_can_be_used(tmp_path: Path) -> None:
    keyless = {"base_url": "http://127.0.0.1:9/v1", "api_key_env": "ABSENT_KEY"}
    names = {"fast": {"targets": ["keyless/m"]}, "good": {"targets": ["demo/demo"]}}

    with running_gateway(tmp_path, {"keyless": keyless, "$names": names}) as gateway:
        answer = httpx.post(
            f"{gateway.base_url}/v1/chat/completions",
            json={"model": "fast", "messages": [{"role": "user", "content": "Hello"}]},
            headers={"authorization": f"Bearer {gateway.token}"},
            trust_env=False,
        )

    why = "none of its targets can be used: provider keyless: no key: set ABSENT_KEY"
    assert f"name fast: {why}" in gateway.output()
    assert "name good" not in gateway.output()
    assert answer.status_code == 404
    assert "cannot be used now" in answer.json()["error"]["message"]
    assert "ABSENT_KEY" not in answer.text
