"""Embeddings of recorded providers, read by the official SDK of every API through the running gateway."""

import contextlib
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import ollama
import openai
import pytest
from google.genai import types as gemini

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.readers import Clients
from tests.e2e.standin import JSON, Answer, StandIn
from tests.recordings import Recording, recorded

Vectors = list[list[float]]

PROVIDERS = {
    "openai": ("/v1", "openai/embeddings.embeddings"),
    "ollama": ("", "ollama/native-embed.embeddings"),
    "gemini": ("", "gemini/embeddings.embeddings"),
}
"""By their dialect: where they are below their host, and what they answer."""

ASKED = {"openai": "/v1/embeddings", "ollama": "/api/embed", "gemini": "/v1beta/models/m:batchEmbedContents"}
RECORDED = [
    *recorded("embeddings.embeddings", "openai", "gemini"),
    *recorded("native-embed.embeddings", "ollama"),
]


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one provider of each dialect that has embeddings, and one of a dialect that has none."""
    config: dict[str, Any] = {
        dialect: {
            "base_url": provider.base_url + root,
            "api_format": dialect,
            "supported_models": ["m"],
            **ONE_ATTEMPT,
        }
        for dialect, (root, _) in PROVIDERS.items()
    }
    config["claude"] = {**config["ollama"], "api_format": "anthropic", "supported_models": ["opus"]}
    config["strict"] = {**config["ollama"], "unsupported_parameters": "reject"}
    with running_gateway(tmp_path_factory.mktemp("embeddings"), config) as running:
        yield running


@pytest.fixture(scope="module")
def clients(relay: Gateway) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("NO_PROXY", "127.0.0.1")
        with contextlib.closing(Clients(relay.base_url, relay.token)) as clients:
            yield clients


@pytest.fixture
def http(relay: Gateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {relay.token}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


def as_float32(vectors: Vectors) -> Vectors:
    return [list(struct.unpack(f"{len(vector)}f", struct.pack(f"{len(vector)}f", *vector))) for vector in vectors]


def by_openai(clients: Clients, model: str) -> Vectors:
    """As the SDK asks by itself: in base64."""
    return [each.embedding for each in clients.openai.embeddings.create(model=model, input="Hi").data]


def by_openai_in_floats(clients: Clients, model: str) -> Vectors:
    reply = clients.openai.embeddings.create(model=model, input=["Hi"], encoding_format="float", dimensions=512)
    return [each.embedding for each in reply.data]


def by_ollama(clients: Clients, model: str) -> Vectors:
    return [list(each) for each in clients.ollama.embed(model, "Hi", dimensions=512).embeddings]


def by_old_ollama(clients: Clients, model: str) -> Vectors:
    return [list(clients.ollama.embeddings(model, "Hi").embedding)]


def by_gemini(clients: Clients, model: str) -> Vectors:
    config = gemini.EmbedContentConfig(output_dimensionality=512)
    reply = clients.gemini.models.embed_content(model=model, contents="Hi", config=config)
    return [each.values or [] for each in reply.embeddings or ()]


SDKS: dict[str, Callable[[Clients, str], Vectors]] = {
    "openai": by_openai,
    "openai-floats": by_openai_in_floats,
    "ollama": by_ollama,
    "ollama-old": by_old_ollama,
    "gemini": by_gemini,
}


def vectors_of(recording: Recording) -> Vectors:
    document = json.loads(recording.body)
    if recording.provider == "openai":
        return [entry["embedding"] for entry in document["data"]]
    if recording.provider == "gemini":
        return [entry["values"] for entry in document["embeddings"]]
    vectors: Vectors = document["embeddings"]
    return vectors


@pytest.mark.parametrize("sdk", SDKS)
@pytest.mark.parametrize("recording", RECORDED)
def test_official_sdk_reads_the_vectors_of_every_provider(
    recording: Recording, sdk: str, clients: Clients, standin: StandIn
) -> None:
    body = recording.body
    if recording.provider == "ollama" and sdk == "ollama-old":  # passes, to the endpoint that has one vector
        body = json.dumps({"embedding": vectors_of(recording)[0]}).encode()
    standin.answer = Answer(200, JSON, (body,))

    vectors = SDKS[sdk](clients, f"{recording.provider}/m")

    assert as_float32(vectors) == as_float32(vectors_of(recording))
    is_old = recording.provider == "ollama" and sdk == "ollama-old"
    assert standin.posts[0].path == ("/api/embeddings" if is_old else ASKED[recording.provider])


@pytest.mark.parametrize("recording", RECORDED)
def test_tokens_of_the_input_are_recorded(
    recording: Recording, http: httpx.Client, standin: StandIn, relay: Gateway
) -> None:
    standin.answer = Answer(200, JSON, (recording.body,))

    answer = http.post("/v1/embeddings", json={"model": f"{recording.provider}/m", "input": "x" * 40})

    counted = {"openai": 8, "ollama": 10, "gemini": 10}[recording.provider]  # Gemini tells nothing: 40 characters
    row = relay.row_of(answer.headers["x-request-id"])
    assert (row["surface"], row["status"], row["input_tokens"]) == ("embeddings", 200, counted)
    assert answer.json()["usage"] == {"prompt_tokens": counted, "total_tokens": counted}


@pytest.mark.parametrize("recording", recorded("embeddings.embeddings-2", "openai"))
def test_base64_passes_untouched(recording: Recording, http: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer(200, JSON, (recording.body,))
    body = b'{"input" : ["Hi"], "model":"m", "encoding_format":"base64"}'

    answer = http.post("/v1/embeddings", content=body.replace(b'"m"', b'"openai/m"'))

    assert answer.content == recording.body
    assert standin.posts[0].body == body


def test_gemini_gets_its_own_name_of_the_model_in_every_request(clients: Clients, standin: StandIn) -> None:
    standin.answer = Answer.json({"embeddings": [{"values": [1.0]}, {"values": [2.0]}]})

    reply = clients.gemini.models.embed_content(model="gemini/m", contents=["a", "b"])

    assert [each.values for each in reply.embeddings or ()] == [[1.0], [2.0]]
    assert [request["model"] for request in standin.posts[0].json["requests"]] == ["models/m", "models/m"]


@pytest.mark.parametrize("dialect", ["gemini", "ollama"])
def test_one_content_is_embedded_by_any_provider(dialect: str, http: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json(
        {"embedding": {"values": [0.5]}} if dialect == "gemini" else {"embeddings": [[0.5]], "prompt_eval_count": 2}
    )

    answer = http.post(f"/v1beta/models/{dialect}/m:embedContent", json={"content": {"parts": [{"text": "Hi"}]}})

    assert answer.json()["embedding"] == {"values": [0.5]}
    assert standin.posts[0].path == ("/v1beta/models/m:embedContent" if dialect == "gemini" else "/api/embed")


def test_task_that_a_provider_cannot_be_told_is_named(http: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json({"embeddings": [[0.5]]})
    request = {"content": {"parts": [{"text": "Hi"}]}, "taskType": "CLUSTERING"}

    answer = http.post("/v1beta/models/ollama/m:embedContent", json=request)
    refused = http.post("/v1beta/models/strict/m:embedContent", json=request)

    assert answer.headers["x-relay-warnings"] == "ollama/m cannot take: taskType"
    assert (refused.status_code, refused.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_tokens_for_a_provider_that_reads_text_are_refused(clients: Clients, standin: StandIn) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        clients.openai.embeddings.create(model="ollama/m", input=[1, 2, 3])

    assert raised.value.param == "input"
    assert standin.posts == []


def test_provider_without_embeddings_is_told_of_in_the_clients_dialect(clients: Clients) -> None:
    with pytest.raises(ollama.ResponseError, match="does not serve 'embeddings'") as raised:
        clients.ollama.embed("opus", "Hi")

    assert raised.value.status_code == 400


def test_error_of_a_provider_comes_in_the_clients_dialect(clients: Clients, standin: StandIn) -> None:
    standin.answer = Answer.json({"error": 'model "m" not found, try pulling it first'}, 404)

    with pytest.raises(openai.NotFoundError, match="try pulling it first"):
        clients.openai.embeddings.create(model="ollama/m", input="Hi")


def test_nothing_to_embed_is_answered_as_ollama_does(clients: Clients, standin: StandIn) -> None:
    assert clients.ollama.embed("openai/m", "").embeddings == []
    assert clients.ollama.embeddings("openai/m", "").embedding == []
    assert standin.posts == []


def test_quota_is_counted(relay: Gateway, standin: StandIn) -> None:
    standin.answer = Answer.json({"embeddings": [[0.5]]})
    token = relay.add_token("twice", rate_limit=2)

    statuses = [
        httpx.post(
            f"{relay.base_url}/api/embed",
            json={"model": "ollama/m", "input": "Hi"},
            headers={"authorization": f"Bearer {token}"},
            trust_env=False,
        ).status_code
        for _ in range(3)
    ]

    assert statuses == [200, 200, 429]
