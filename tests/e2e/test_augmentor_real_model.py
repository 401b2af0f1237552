"""The small real model as a designator: it babbles, and what it says that is no decision means that nothing is looked up."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.pipeline.augmenting.decision import read_decision
from tests.e2e.gateway import Gateway
from tests.e2e.smart_models import add_smart_models
from tests.real_model import MODEL, missing, running_model
from tests.smart import make_smart

pytestmark = [
    pytest.mark.xdist_group("real_model"),
    pytest.mark.skipif(missing() is not None, reason=f"no real model: {missing()}"),
]

QUESTIONS = ["What is the weather in Ulm today?", "Hi!"]


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with running_model() as url:
        yield url


@pytest.fixture(scope="module")
def relay(model_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    # It would babble on for as long as it may, which is a minute here.
    local = {"base_url": f"{model_url}/v1", "payload_extra_parameters": {"max_tokens": 16}}
    folder, config = tmp_path_factory.mktemp("augmentor-real"), {"local": local}
    gateway = Gateway(folder, config)
    model = f"local/{MODEL}"
    add_smart_models(
        gateway, make_smart("augmentor", "web", target_model=model, designator_model=model, time_budget_ms=120_000)
    )
    gateway.start()
    yield gateway
    gateway.stop()


def post(url: str, token: str, **body: Any) -> httpx.Response:
    response = httpx.post(
        f"{url}/v1/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {token}"},
        timeout=300,
        trust_env=False,
    )
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize("question", QUESTIONS)
def test_babble_of_a_designator_means_direct(relay: Gateway, question: str) -> None:
    ask: Any = {"messages": [{"role": "user", "content": question}], "max_tokens": 8}

    response = post(relay.base_url, relay.token, model="web", **ask)

    row = relay.row_of(response.headers["x-request-id"])
    (designator,) = (each for each in relay.rows() if each["parent_id"] == row["id"])
    assert (designator["helper"], designator["model"], designator["outcome"]) == ("designator", MODEL, "ok")
    assert designator["output_tokens"] > 0
    assert response.json()["choices"][0]["message"]["content"]
    # Of its words nobody knows what they are; a decision is what they may be, but then there is no search here.
    told, warnings = response.headers["x-relay-augmented"], row["warnings"] or ""
    assert (told, warnings) in [
        ("direct", "augmentor web: no decision"),
        ("direct", ""),
        ("failed", "augmentor web: search is not set up"),
    ]
    assert "x-relay-sources" not in response.headers


def test_what_the_real_model_says_to_anything_is_no_decision(model_url: str) -> None:
    said = [
        post(model_url, "none", messages=[{"role": "user", "content": question}], max_tokens=16, temperature=0).json()
        for question in QUESTIONS
    ]

    words = [each["choices"][0]["message"]["content"] for each in said]
    assert all(words)
    assert [read_decision(each, "x") for each in words] == [None] * len(QUESTIONS)
