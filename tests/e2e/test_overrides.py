"""What is known of models, before a running gateway: what reaches the provider, what clients are told, and a changed file."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from openai import DefaultHttpxClient, OpenAI

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn
from tests.e2e.test_surfaces import COMPLETION

OWN = """
providers:
  "*":
    models:
      plain: {context_length: 4096, max_output_tokens: 1024, capabilities: [completion, vision, reasoning, search]}
      vectors: {capabilities: [embedding]}
  local:
    models:
      bare: {supports_system_prompt: false, unsupported_params: [temperature, top_k]}
      gone: {disabled: true, reason: "Use plain."}
      earlier: {use_max_completion_tokens: false}
  strict:
    defaults: {unsupported_params: [temperature]}
  gem:
    defaults: {supports_system_prompt: false, unsupported_params: [top_p]}
"""
MODELS = ["plain", "bare", "gone", "earlier", "vectors"]
HELLO = [{"role": "user", "content": "Hello"}]
GENERATED = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
}


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("overrides")
    address: dict[str, Any] = {"base_url": f"{provider.base_url}/v1", **ONE_ATTEMPT}
    config: dict[str, Any] = {
        "local": {**address, "supported_models": MODELS},
        "openai": {**address, "api_format": ["openai", "responses"], "supported_models": ["o3", "gpt-4o", "o1-mini"]},
        "strict": {**address, "unsupported_parameters": "reject", "supported_models": ["m"]},
        "gem": {"base_url": provider.base_url, "api_format": "gemini", "supported_models": ["gemma"], **ONE_ATTEMPT},
        "$names": {"mine": {"targets": ["local/bare"]}},
    }
    (folder / "model_overrides.yaml").write_text(OWN)
    with running_gateway(folder, config) as running:
        yield running


@pytest.fixture
def client(relay: Gateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {relay.token}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


@pytest.fixture
def asked(standin: StandIn) -> StandIn:
    standin.answer = Answer.json(COMPLETION)
    return standin


# What reaches the provider.


def test_limit_reaches_a_reasoning_model_by_the_name_that_it_knows(relay: Gateway, asked: StandIn) -> None:
    http = DefaultHttpxClient(trust_env=False)
    with OpenAI(base_url=f"{relay.base_url}/v1", api_key=relay.token, max_retries=0, http_client=http) as sdk:
        answer = sdk.chat.completions.with_raw_response.create(
            model="o3",
            max_tokens=5,
            temperature=0.5,
            messages=[{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        )

    assert asked.posts[0].json == {
        "model": "o3",
        "max_completion_tokens": 5,
        "messages": [{"role": "developer", "content": "Be brief."}, *HELLO],
    }
    assert answer.headers["x-relay-warnings"] == "openai/o3 cannot take: temperature"
    assert answer.parse().choices[0].message.content == "Hi"


def test_limit_reaches_a_model_that_knows_only_the_earlier_name(client: httpx.Client, asked: StandIn) -> None:
    client.post(
        "/v1/chat/completions", json={"model": "earlier", "max_completion_tokens": 5, "messages": HELLO}
    ).raise_for_status()

    assert asked.posts[0].json == {"model": "earlier", "max_tokens": 5, "messages": HELLO}


def test_body_for_a_model_that_needs_nothing_reaches_it_byte_by_byte(client: httpx.Client, asked: StandIn) -> None:
    body = (
        b'{"model" : "gpt-4o",\n "max_tokens": 5, "temperature":0.50, "messages": [{"role":"user","content":"Hello"}]}'
    )

    client.post("/v1/chat/completions", content=body).raise_for_status()

    assert asked.posts[0].body == body


def test_system_message_reaches_a_model_that_takes_none(client: httpx.Client, asked: StandIn) -> None:
    said = {"system": "Be brief.", "temperature": 0.5, "top_k": 3, "max_tokens": 9, "messages": HELLO}

    answer = client.post("/v1/messages", json={"model": "bare", **said})

    assert asked.posts[0].json == {
        "model": "bare",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Be brief.\n\nHello"}],
    }
    assert answer.headers["x-relay-warnings"] == "local/bare cannot take: temperature, top_k"
    assert answer.json()["content"] == [{"type": "text", "text": "Hi"}]


def test_warning_is_in_the_words_of_the_client(client: httpx.Client, asked: StandIn) -> None:
    answer = client.post(
        "/v1beta/models/bare:generateContent",
        json={
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "generationConfig": {"temperature": 0.5, "topK": 3, "maxOutputTokens": 7},
        },
    )

    assert (
        answer.headers["x-relay-warnings"]
        == "local/bare cannot take: generationConfig.temperature, generationConfig.topK"
    )
    assert asked.posts[0].json == {"model": "bare", "max_tokens": 7, "messages": HELLO}


def test_own_api_of_a_provider_keeps_to_the_rules_too(relay: Gateway, standin: StandIn) -> None:
    standin.answer = Answer.json(GENERATED)
    options = types.HttpOptions(base_url=relay.base_url)
    config = types.GenerateContentConfig(system_instruction="Be brief.", top_p=0.5, max_output_tokens=7)

    with genai.Client(api_key=relay.token, http_options=options) as sdk:
        answer = sdk.models.generate_content(model="gemma", contents="Hello", config=config)

    body = standin.posts[0].json
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "Hello"}]}]
    assert "systemInstruction" not in body
    assert body["generationConfig"] == {"maxOutputTokens": 7}
    assert answer.text == "Hi"


def test_parameter_that_a_model_does_not_take_is_refused_where_that_is_wished(
    client: httpx.Client, asked: StandIn
) -> None:
    answer = client.post("/v1/chat/completions", json={"model": "strict/m", "temperature": 0, "messages": HELLO})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == ("temperature", "unsupported_parameter")
    assert asked.posts == []


# Models that are switched off.


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "gone", "messages": HELLO}),
        ("/v1/messages", {"model": "local/gone", "max_tokens": 9, "messages": HELLO}),
        ("/v1beta/models/gone:generateContent", {"contents": [{"parts": [{"text": "Hello"}]}]}),
        ("/api/chat", {"model": "gone", "messages": HELLO}),
    ],
)
def test_call_of_a_model_that_is_switched_off_is_refused_with_the_reason(
    client: httpx.Client, asked: StandIn, path: str, body: dict[str, Any]
) -> None:
    answer = client.post(path, json=body)

    assert answer.status_code == 404
    assert "is switched off here: Use plain." in answer.text
    assert asked.posts == []


def test_model_that_is_switched_off_is_not_listed(client: httpx.Client) -> None:
    ids = {model["id"] for model in client.get("/v1/models").json()["data"]}

    assert {"plain", "bare", "earlier"} <= ids
    assert "gone" not in ids
    assert client.get("/v1/models/gone").status_code == 404


# What clients are told.


def test_lists_of_all_apis_tell_the_length_of_the_context_where_it_is_known(client: httpx.Client) -> None:
    listed = {model["id"]: model for model in client.get("/v1/models").json()["data"]}
    gemini = {model["displayName"]: model for model in client.get("/v1beta/models").json()["models"]}
    anthropic = client.get("/v1/models/plain", headers={"anthropic-version": "2023-06-01"}).json()

    assert listed["plain"]["context_length"] == 4096
    assert listed["o3"]["context_length"] == 200_000
    assert "context_length" not in listed["bare"]
    assert gemini["plain"]["inputTokenLimit"] == 4096
    assert "inputTokenLimit" not in gemini["bare"]
    assert anthropic["max_input_tokens"] == 4096


def test_ollamas_clients_are_told_what_a_model_can_do_in_ollamas_words(client: httpx.Client) -> None:
    shown = client.post("/api/show", json={"model": "plain"}).json()
    unknown = client.post("/api/show", json={"model": "bare"}).json()

    assert shown["capabilities"] == ["completion", "vision", "thinking"]
    assert shown["model_info"]["local.context_length"] == 4096
    assert unknown["capabilities"] == ["completion", "tools"]


def test_geminis_clients_are_told_the_methods_that_a_model_is_known_to_have(client: httpx.Client) -> None:
    listed = {model["displayName"]: model for model in client.get("/v1beta/models").json()["models"]}

    methods = {name: set(listed[name]["supportedGenerationMethods"]) for name in ("plain", "vectors", "bare")}
    embedding, chat = {"embedContent", "batchEmbedContents"}, {"generateContent", "streamGenerateContent"}
    assert methods["plain"] == chat | {"countTokens"}
    assert methods["vectors"] == embedding | {"countTokens"}
    assert methods["bare"] == chat | embedding | {"countTokens"}


def test_capabilities_tell_of_each_model_what_it_can_be_told(client: httpx.Client) -> None:
    document = client.get("/v1/capabilities").json()

    assert document["object"] == "list"
    by_id = {model["id"]: model for model in document["data"]}
    owners = {model["id"]: model["owned_by"] for model in client.get("/v1/models").json()["data"]}
    assert {name: model["owned_by"] for name, model in by_id.items()} == owners
    assert owners["mine"] == "llm-relay"
    assert by_id["demo"]["parameters"] == {}
    o3 = by_id["o3"]
    assert o3["dialects"] == ["openai", "responses"]
    assert o3["context_length"] == 200_000
    assert "reasoning" in o3["capabilities"]
    assert o3["parameters"]["max_tokens"] == "max_completion_tokens"
    assert o3["parameters"]["tools"] == "tools"
    assert {"temperature", "top_k", "logprobs"} <= set(o3["unsupported_parameters"])
    assert by_id["gemma"]["system_prompt"] is False
    assert by_id["gemma"]["parameters"]["stop"] == "generationConfig.stopSequences"
    assert by_id["plain"]["max_output_tokens"] == 1024
    assert by_id["bare"]["context_length"] is None
    assert by_id["bare"]["max_output_tokens"] is None
    assert by_id["bare"]["capabilities"] is None


@pytest.mark.parametrize("name", ["o3", "OPENAI/O3", "openai-o3:latest"])
def test_capabilities_of_one_model_are_found_by_any_of_its_names(client: httpx.Client, name: str) -> None:
    (model,) = client.get("/v1/capabilities", params={"model": name}).json()["data"]

    assert (model["id"], model["owned_by"]) == (name, "openai")


def test_capabilities_are_told_of_own_models_only_and_to_nobody_without_a_token(relay: Gateway) -> None:
    token = relay.add_token("restricted", models=["plain"])
    url, headers = f"{relay.base_url}/v1/capabilities", {"authorization": f"Bearer {token}"}

    own = httpx.get(url, headers=headers, trust_env=False).json()["data"]
    other = httpx.get(url, headers=headers, params={"model": "o3"}, trust_env=False)

    assert [model["id"] for model in own] == ["plain"]
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    assert httpx.get(url, trust_env=False).status_code == 401


# A changed file.


def test_changed_file_is_taken_and_one_with_faults_changes_nothing(relay: Gateway, client: httpx.Client) -> None:
    file = relay.folder / "model_overrides.yaml"

    def length() -> Any:
        return client.get("/v1/models/plain").json().get("context_length")

    try:
        file.write_text("providers: {local: {modles: {}}}")
        wait_until(lambda: "did you mean 'models'?" in relay.output())
        unchanged = length()
        file.write_text(OWN.replace("4096", "8192"))
        wait_until(lambda: length() == 8192)
    finally:
        file.write_text(OWN)

    assert unchanged == 4096
    wait_until(lambda: length() == 4096)
    assert json.loads(client.get("/v1/models/earlier").text)["id"] == "earlier"


def wait_until(condition: Any, timeout_s: float = 10.0) -> None:
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
