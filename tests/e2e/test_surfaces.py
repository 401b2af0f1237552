"""What the surfaces share, by plain HTTP before a running gateway: tokens, warnings, deadlines, failover, counts."""

from collections.abc import Iterator
from typing import Any

import httpx
import ollama
import pytest

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.faulty import chat
from tests.e2e.gateway import Gateway, free_port, running_gateway
from tests.e2e.standin import Answer, StandIn, running_standin

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
MESSAGE = {"model": "openai/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def spare() -> Iterator[StandIn]:
    """A provider that always answers."""
    with running_standin() as running:
        running.answer = Answer.json(COMPLETION)
        yield running


@pytest.fixture(scope="module")
def relay(provider: StandIn, spare: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    address = {"base_url": f"{provider.base_url}/v1", "supported_models": ["m", "embedding"]}
    config: dict[str, Any] = {
        "refused": {"base_url": f"http://127.0.0.1:{free_port()}", "supported_models": ["shared", "only-there"]},
        "openai": {**address, **ONE_ATTEMPT},
        "strict": {**address, "unsupported_parameters": "reject", **ONE_ATTEMPT},
        "second": {"base_url": f"{provider.base_url}/v1", "supported_models": ["shared"], **ONE_ATTEMPT},
        "claude": {
            "base_url": provider.base_url,
            "api_format": "anthropic",
            "supported_models": ["opus"],
            **ONE_ATTEMPT,
        },
        "google": {
            "base_url": provider.base_url,
            "api_format": "gemini",
            "supported_models": ["flash", "shared-flash"],
            **ONE_ATTEMPT,
        },
        "spare": {"base_url": f"{spare.base_url}/v1", "supported_models": ["shared-flash"], **ONE_ATTEMPT},
        "answers": {**address, "api_format": "responses", "supported_models": ["o", "shared"], **ONE_ATTEMPT},
    }
    config["refused"] |= {"retries": 0}
    with running_gateway(tmp_path_factory.mktemp("surfaces"), config) as running:
        yield running


@pytest.fixture
def client(relay: Gateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {relay.token}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


@pytest.mark.parametrize(
    ("headers", "query"),
    [("x-api-key", ""), ("x-goog-api-key", ""), ("api-key", ""), ("", "?key="), ("authorization", "")],
)
def test_token_is_good_wherever_a_client_puts_it(relay: Gateway, headers: str, query: str) -> None:
    token = relay.add_token("somebody")
    value = f"Bearer {token}" if headers == "authorization" else token

    answer = httpx.post(
        f"{relay.base_url}/v1/chat/completions" + (query + token if query else ""),
        json=chat("demo"),
        headers={headers: value} if headers else {},
        trust_env=False,
    )

    assert answer.status_code == 200
    relay.row_of(answer.headers["x-request-id"])
    assert token not in relay.output()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_greeting_is_ollamas(relay: Gateway, method: str) -> None:
    answer = httpx.request(method, relay.base_url, trust_env=False)

    assert (answer.status_code, answer.text) == (200, "Ollama is running" if method == "GET" else "")


def test_parameter_that_a_provider_cannot_take_is_told(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json(COMPLETION)

    answer = client.post("/v1/messages", json={**MESSAGE, "top_k": 5})

    assert answer.status_code == 200
    assert answer.headers["x-relay-warnings"] == "openai/m cannot take: top_k"
    assert "top_k" not in standin.posts[0].json


def test_parameter_that_a_provider_cannot_take_is_refused_where_that_is_wished(client: httpx.Client) -> None:
    answer = client.post("/v1/messages", json={**MESSAGE, "model": "strict/m", "top_k": 5})

    assert answer.status_code == 400
    assert "top_k" in answer.json()["error"]["message"]


def test_response_that_builds_on_kept_state_is_refused_where_nobody_keeps_it(client: httpx.Client) -> None:
    answer = client.post("/v1/responses", json={"model": "openai/m", "input": "Hi", "previous_response_id": "resp_1"})

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "previous_response_id")


def test_response_that_builds_on_kept_state_goes_to_the_provider_that_keeps_it(
    client: httpx.Client, standin: StandIn
) -> None:
    standin.answer = Answer.json({"id": "resp_2", "object": "response", "status": "completed", "output": []})

    answer = client.post("/v1/responses", json={"model": "shared", "input": "Hi", "previous_response_id": "resp_1"})

    assert (answer.status_code, answer.headers["x-relay-provider"]) == (200, "answers")
    assert [(post.path, post.json["previous_response_id"]) for post in standin.posts] == [("/v1/responses", "resp_1")]


def test_next_provider_that_has_the_model_answers(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json(COMPLETION)

    answer = client.post("/v1/chat/completions", json=chat("shared"))

    assert (answer.status_code, answer.headers["x-relay-provider"], answer.headers["x-relay-attempts"]) == (
        200,
        "second",
        "2",
    )


REFUSED_KEY = {
    "code": 400,
    "message": "API key not valid. Please pass a valid API key.",
    "status": "INVALID_ARGUMENT",
    "details": [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        }
    ],
}


def test_key_that_google_refuses_by_a_400_costs_the_client_nothing(
    client: httpx.Client, relay: Gateway, standin: StandIn
) -> None:
    standin.answer = Answer.json({"error": REFUSED_KEY}, 400)
    token = relay.add_token("counted", rate_limit=1)

    answers = [
        client.post("/v1/chat/completions", json=chat("flash"), headers={"authorization": f"Bearer {token}"})
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert "API key not valid" in answers[1].json()["error"]["message"]


def test_next_provider_answers_where_google_refuses_the_key_by_a_400(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json({"error": REFUSED_KEY}, 400)

    answer = client.post("/v1/chat/completions", json=chat("shared-flash"))

    assert (answer.status_code, answer.headers["x-relay-provider"]) == (200, "spare")


def test_model_that_fails_all_the_time_is_left_alone_and_shown(client: httpx.Client) -> None:
    statuses = [client.post("/v1/chat/completions", json=chat("only-there")).status_code for _ in range(6)]

    assert statuses == [502] * 5 + [503]
    (shown,) = [entry for entry in client.get("/v1/health/providers").json()["data"] if entry["model"] == "only-there"]
    assert (shown["provider"], shown["state"], shown["failures"]) == ("refused", "open", 5)


def test_call_ends_at_its_deadline(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer(delay_s=5)

    answer = client.post("/v1/chat/completions", json=chat("openai/m"), headers={"x-relay-timeout-ms": "150"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
    assert standin.posts[0].wait_until_left()


@pytest.mark.parametrize("timeout", ["soon", "0", "-1", "99999999999"])
def test_deadline_that_is_none_is_refused(client: httpx.Client, timeout: str) -> None:
    answer = client.post("/v1/chat/completions", json=chat("openai/m"), headers={"x-relay-timeout-ms": timeout})

    assert answer.status_code == 400
    assert "x-relay-timeout-ms" in answer.json()["error"]["message"]


def test_tokens_are_counted_for_nothing(client: httpx.Client) -> None:
    request = {"model": "openai/m", "messages": [{"role": "user", "content": "x" * 400}]}

    answer = client.post("/v1/messages/count_tokens", json=request)

    assert answer.json() == {"input_tokens": 100}
    assert "x-ratelimit-limit-requests" not in answer.headers


@pytest.mark.parametrize("wrapped", [False, True])
def test_tokens_of_a_gemini_request_are_counted(client: httpx.Client, *, wrapped: bool) -> None:
    request: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "x" * 400}]}]}

    answer = client.post(
        "/v1beta/models/openai/m:countTokens", json={"generateContentRequest": request} if wrapped else request
    )

    assert answer.json() == {"totalTokens": 100}


def test_provider_that_counts_is_asked(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json({"input_tokens": 7})

    answer = client.post("/v1/messages/count_tokens", json={"model": "opus", "messages": MESSAGE["messages"]})

    assert answer.json() == {"input_tokens": 7}
    assert standin.posts[0].path == "/v1/messages/count_tokens"


def test_headers_of_anthropics_clients_reach_anthropic(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}, 529)

    answer = client.post(
        "/v1/messages", json={**MESSAGE, "model": "opus"}, headers={"anthropic-version": "2024", "anthropic-beta": "b"}
    )

    assert (answer.status_code, answer.json()["error"]["type"]) == (529, "overloaded_error")
    assert standin.posts[0].headers["anthropic-beta"] == "b"
    assert standin.posts[0].headers["anthropic-version"] == "2024"


def test_headers_of_anthropics_clients_reach_nobody_else(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json(COMPLETION)

    client.post("/v1/messages", json=MESSAGE, headers={"anthropic-beta": "b"})

    assert "anthropic-beta" not in standin.posts[0].headers


def test_signature_that_another_provider_made_does_not_reach_this_one(client: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.json({"error": {"message": "seen"}}, 400)
    history = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "lr.anthropic.c2ln"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "And?"},
    ]

    client.post("/v1/responses", json={"model": "answers/o", "input": history})

    assert b"lr.anthropic" not in standin.posts[0].body
    assert b"And?" in standin.posts[0].body


def test_embeddings_pass(client: httpx.Client, standin: StandIn, relay: Gateway) -> None:
    vectors = {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "embedding",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }
    standin.answer = Answer.json(vectors)

    answer = client.post("/v1/embeddings", json={"model": "openai/embedding", "input": "Hi"})

    assert answer.json() == vectors
    assert standin.posts[0].path == "/v1/embeddings"
    row = relay.row_of(answer.headers["x-request-id"])
    assert (row["surface"], row["input_tokens"]) == ("embeddings", 5)


def test_provider_without_embeddings_is_told_of(client: httpx.Client) -> None:
    answer = client.post("/v1/embeddings", json={"model": "opus", "input": "Hi"})

    assert answer.status_code == 400
    assert "does not serve 'embeddings'" in answer.json()["error"]["message"]


LOADS: dict[str, dict[str, Any]] = {
    "/api/chat": {"messages": []},
    "/api/generate": {"prompt": ""},
    "/api/embed": {"input": []},
    "/api/embeddings": {"prompt": ""},
}
"""What asks for nothing: by it Ollama's clients load a model, or look whether it is there."""


@pytest.mark.parametrize("path", LOADS)
def test_model_that_is_there_can_be_loaded(client: httpx.Client, standin: StandIn, path: str) -> None:
    answer = client.post(path, json={"model": "openai/m:latest", **LOADS[path]})

    assert answer.status_code == 200
    assert standin.posts == []
    assert "x-ratelimit-limit-requests" not in answer.headers


@pytest.mark.parametrize("path", LOADS)
@pytest.mark.parametrize(
    ("model", "status", "words"),
    [("nobodys", 404, "'nobodys' does not exist here"), ("claude/opus", 403, "may not use the model 'claude/opus'")],
)
def test_model_that_is_not_there_or_not_for_the_token_cannot_be_loaded(
    relay: Gateway, path: str, model: str, status: int, words: str
) -> None:
    headers = {"authorization": f"Bearer {relay.add_token('limited', models=['openai/*'])}"}

    answer = httpx.post(
        relay.base_url + path, json={"model": model, **LOADS[path]}, headers=headers, trust_env=False, timeout=20
    )

    assert answer.status_code == status
    assert words in answer.json()["error"]


@pytest.mark.parametrize("stream", [True, False])
def test_model_that_is_there_can_be_pulled_without_asking_its_provider(
    relay: Gateway, standin: StandIn, stream: bool
) -> None:
    headers = {"authorization": f"Bearer {relay.token}"}

    with ollama.Client(host=relay.base_url, headers=headers, trust_env=False) as sdk:
        if stream:
            statuses = [progress.status for progress in sdk.pull("openai/m:latest", stream=True)]
        else:
            statuses = [sdk.pull("openai/m:latest").status]

    assert statuses[-1] == "success"
    assert standin.posts == []


@pytest.mark.parametrize("stream", [True, False])
def test_model_that_nobody_has_cannot_be_pulled(client: httpx.Client, stream: bool) -> None:
    answer = client.post("/api/pull", json={"model": "nope", "stream": stream})

    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]
    assert "'nope' does not exist here" in answer.json()["error"]
