"""/api/generate by Ollama's SDK through the running gateway: to providers of that API it passes, others are asked for a chat."""

from collections.abc import Iterator
from typing import Any

import httpx
import ollama
import pytest

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn
from tests.e2e.test_clients import ROOTS, answer_of
from tests.recordings import Recording, recorded

OWN: dict[str, Any] = {
    "prompt": "def f(",
    "suffix": "return x",
    "raw": True,
    "template": "{{ .Prompt }}",
    "context": [1, 2],
    "keep_alive": 60,
    "unknown": [1],
}
OVERRIDES = "providers: {strict: {defaults: {supports_system_prompt: false, unsupported_params: [temperature]}}}"


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a provider of Ollama's API, and one of OpenAI's."""
    folder = tmp_path_factory.mktemp("generate")
    (folder / "model_overrides.yaml").write_text(OVERRIDES)
    config: dict[str, Any] = {
        name: {
            "base_url": provider.base_url + ROOTS.get(dialect, ""),
            "api_format": dialect,
            "supported_models": ["m"],
            **ONE_ATTEMPT,
        }
        for name, dialect in {"ollama": "ollama", "strict": "ollama", "openai": "openai"}.items()
    }
    with running_gateway(folder, config) as running:
        yield running


def ask(relay: Gateway, model: str, **payload: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {relay.token}"}
    return httpx.post(
        f"{relay.base_url}/api/generate", json={"model": model, **payload}, headers=headers, trust_env=False
    )


@pytest.mark.parametrize("recording", recorded("native-generate.*", "ollama"))
def test_request_and_reply_pass_as_they_came(recording: Recording, relay: Gateway, standin: StandIn) -> None:
    standin.answer = answer_of(recording)

    reply = ask(relay, "ollama/m", **OWN, stream=recording.streamed)

    assert reply.content == recording.body
    assert "x-relay-warnings" not in reply.headers
    assert standin.posts[0].path == "/api/generate"
    assert standin.posts[0].json == {"model": "m", **OWN, "stream": recording.streamed}
    row = relay.row_of(reply.headers["x-request-id"])
    assert row["output_tokens"] > 0
    assert (row["usage_estimated"], row["outcome"]) == (0, "ok")


@pytest.mark.parametrize("recording", recorded("native-generate.*", "ollama"))
def test_sdk_reads_what_passed(recording: Recording, relay: Gateway, standin: StandIn) -> None:
    standin.answer = answer_of(recording)

    with ollama.Client(
        host=relay.base_url, headers={"Authorization": f"Bearer {relay.token}"}, trust_env=False
    ) as client:
        answer = client.generate(model="ollama/m", prompt="a", suffix="b", stream=recording.streamed)
        parts = list(answer) if recording.streamed else [answer]

    assert "".join(part.response for part in parts)
    assert standin.posts[0].json["suffix"] == "b"


def test_rules_of_a_model_hold_for_it(relay: Gateway, standin: StandIn) -> None:
    standin.answer = Answer.json({"model": "m", "response": "Hi", "done": True})

    options = {"temperature": 0.5, "seed": 1}
    reply = ask(relay, "strict/m", prompt="Hi", system="Be brief.", suffix="end", options=options, stream=False)

    assert standin.posts[0].json == {
        "model": "m",
        "prompt": "Be brief.\n\nHi",
        "suffix": "end",
        "options": {"seed": 1},
        "stream": False,
    }
    assert reply.headers["x-relay-warnings"] == "strict/m cannot take: options.temperature"


def test_error_of_the_provider_is_one_for_the_client(relay: Gateway, standin: StandIn) -> None:
    standin.answer = Answer.json({"error": "m does not support insert"}, status=400)

    reply = ask(relay, "ollama/m", prompt="a", suffix="b")

    assert (reply.status_code, reply.json()["error"]) == (400, "m does not support insert")


def test_stream_without_usage_is_metered_by_what_came(relay: Gateway, standin: StandIn) -> None:
    standin.answer = Answer(
        headers={"content-type": "application/x-ndjson"},
        pieces=[
            b'{"model":"m","thinking":"' + b"x" * 20 + b'","response":"","done":false}\n',
            b'{"model":"m","response":"' + b"y" * 20 + b'","done":false}\n',
            b'{"model":"m","response":"","done":true,"done_reason":"stop"}\n',
        ],
        chunked=True,
    )

    reply = ask(relay, "ollama/m", prompt="z" * 80)

    row = relay.row_of(reply.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], row["usage_estimated"]) == (20, 10, 1)


def test_what_a_chat_cannot_be_told_is_named(relay: Gateway, standin: StandIn) -> None:
    standin.answer = Answer.json({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]})

    reply = ask(relay, "openai/m", prompt="a", suffix="b", stream=False)

    assert reply.headers["x-relay-warnings"] == "openai/m cannot take: suffix"
    assert reply.json()["response"] == "Hi"
