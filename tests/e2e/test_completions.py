"""Legacy completions by OpenAI's SDK through the running gateway, from providers that have them and from all others."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.contract.crossing import PROVIDER_DIALECTS, dialect_of, folded, read_recorded
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn
from tests.e2e.test_clients import ROOTS, answer_of
from tests.recordings import Recording, recorded

ASKED = {
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:",
    "ollama": "/api/chat",
}
FOREIGN = [
    recording
    for provider in ("openai", "anthropic", "gemini", "ollama")
    for kind in ("responses", "messages", "generate", "native-chat")
    for recording in recorded(f"{kind}.text*", provider)
    if recording.values[0] is not None
] or recorded("none")


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one provider of each dialect."""
    config: dict[str, Any] = {
        dialect: {
            "base_url": provider.base_url + ROOTS.get(dialect, ""),
            "api_format": dialect,
            "supported_models": ["m"],
            **ONE_ATTEMPT,
        }
        for dialect in PROVIDER_DIALECTS.values()
    }
    with running_gateway(tmp_path_factory.mktemp("completions"), config) as running:
        yield running


@pytest.fixture(scope="module")
def client(relay: Gateway) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=f"{relay.base_url}/v1", api_key=relay.token, max_retries=0, http_client=http) as opened:
        yield opened


@pytest.mark.parametrize("recording", FOREIGN)
def test_sdk_reads_what_a_provider_of_another_api_said(
    recording: Recording, client: openai.OpenAI, standin: StandIn
) -> None:
    standin.answer = answer_of(recording)
    dialect = dialect_of(recording) or ""

    reply = client.completions.create(model=f"{dialect}/m", prompt="Hi", max_tokens=9, stream=recording.streamed)

    chunks = list(reply) if isinstance(reply, openai.Stream) else [reply]
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == folded(read_recorded(recording)).text
    assert chunks[0].object == "text_completion"
    assert standin.posts[0].path.startswith(ASKED[dialect])


@pytest.mark.parametrize("recording", recorded("completions.*", "openai", "together"))
def test_provider_that_has_completions_is_asked_for_them(
    recording: Recording, client: openai.OpenAI, standin: StandIn, relay: Gateway
) -> None:
    standin.answer = answer_of(recording)

    raw = client.completions.with_raw_response.create(model="openai/m", prompt=["Hi", "Ho"], echo=True)

    assert raw.content == recording.body
    assert standin.posts[0].path == "/v1/completions"
    assert standin.posts[0].json == {"model": "m", "prompt": ["Hi", "Ho"], "echo": True}
    row = relay.row_of(raw.headers["x-request-id"])
    assert row["input_tokens"] == raw.parse().usage.prompt_tokens > 0  # type: ignore[union-attr]


def test_what_a_chat_cannot_be_told_is_named(client: openai.OpenAI, standin: StandIn) -> None:
    standin.answer = Answer.json({"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": True})

    raw = client.completions.with_raw_response.create(model="ollama/m", prompt="Hi", suffix="end", best_of=2)

    assert raw.headers["x-relay-warnings"] == "ollama/m cannot take: best_of, suffix"
    assert raw.parse().choices[0].text == "Hi"


def test_several_prompts_for_a_chat_are_refused(client: openai.OpenAI, standin: StandIn) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        client.completions.create(model="anthropic/m", prompt=["Hi", "Ho"])

    assert raised.value.param == "prompt"
    assert standin.posts == []


def test_demo_completes(client: openai.OpenAI) -> None:
    reply = client.completions.create(model="demo", prompt="Hi")

    assert "demo" in reply.choices[0].text


def text_chunk(text: str) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": None}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}


def test_stream_of_a_provider_that_has_completions_is_metered_without_usage(
    client: openai.OpenAI, standin: StandIn, relay: Gateway
) -> None:
    standin.answer = Answer.events(text_chunk("x" * 20), text_chunk("y" * 20))

    raw = client.completions.with_raw_response.create(model="openai/m", prompt="z" * 80, stream=True)

    assert "".join(chunk.choices[0].text for chunk in raw.parse()) == "x" * 20 + "y" * 20
    assert "stream_options" not in standin.posts[0].json
    row = relay.row_of(raw.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], row["usage_estimated"], row["outcome"]) == (20, 10, 1, "ok")


@pytest.mark.parametrize("left", [False, True])
def test_stream_that_does_not_come_to_its_end_is_metered_for_what_came(
    client: openai.OpenAI, standin: StandIn, relay: Gateway, *, left: bool
) -> None:
    standin.answer = Answer.events(text_chunk("x" * 20), done=False, hold=left, reset=not left)

    with client.completions.with_streaming_response.create(model="openai/m", prompt="z" * 80, stream=True) as raw:
        if left:
            next(raw.iter_bytes())
        else:
            assert b'"error"' in raw.read()

    row = relay.row_of(raw.headers["x-request-id"])
    outcome = "client_gone" if left else "cut"
    assert (row["input_tokens"], row["output_tokens"], row["usage_estimated"], row["outcome"]) == (20, 5, 1, outcome)
