"""Embeddings through every pair of dialects, by the two functions that choose the way."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from app.core.abilities import Rules
from app.core.call import Call
from app.core.embedding import Embeddings
from app.core.errors import InvalidRequest, UpstreamError, UpstreamInvalid
from app.core.usage import Usage
from app.dialects.convert import choose_dialect, incoming, outgoing
from app.dialects.dialect import About
from app.dialects.registry import EMBEDDINGS
from app.dialects.splice import Additions
from tests.calls import make_call

CLIENTS: dict[str, dict[str, Any]] = {
    "openai-embeddings": {"model": "alias", "input": ["Hello"], "dimensions": 2, "encoding_format": "float"},
    "ollama-embed": {"model": "alias", "input": "Hello", "dimensions": 2},
    "ollama-embeddings": {"model": "alias", "prompt": "Hello"},
    "gemini-embed": {"content": {"parts": [{"text": "Hello"}]}, "outputDimensionality": 2},
    "gemini-embed-batch": {
        "requests": [{"model": "models/alias", "content": {"parts": [{"text": "Hello"}]}, "outputDimensionality": 2}]
    },
}
"""What a client of each dialect sends."""

SENT: dict[str, dict[str, Any]] = {
    "openai-embeddings": {"model": "M", "input": ["Hello"], "dimensions": 2, "encoding_format": "float"},
    "ollama-embed": {"model": "M", "input": ["Hello"], "dimensions": 2},
    "gemini-embed-batch": {
        "requests": [{"model": "models/M", "content": {"parts": [{"text": "Hello"}]}, "outputDimensionality": 2}]
    },
}
"""What a provider of each dialect gets."""

REPLIES: dict[str, dict[str, Any]] = {
    "openai-embeddings": {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1]}],
        "model": "M",
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    },
    "ollama-embed": {
        "model": "M",
        "embeddings": [[0.5, 1]],
        "total_duration": 7,
        "load_duration": 0,
        "prompt_eval_count": 9,
    },
    "ollama-embeddings": {"embedding": [0.5, 1]},
    "gemini-embed": {"embedding": {"values": [0.5, 1]}, "usageMetadata": {"promptTokenCount": 9}},
    "gemini-embed-batch": {"embeddings": [{"values": [0.5, 1]}], "usageMetadata": {"promptTokenCount": 9}},
}
"""What each dialect's replies are."""

PAIRS = [(client, provider) for client in CLIENTS for provider in SENT if client != provider]


def make(dialect: str, payload: dict[str, Any] | None = None) -> Call:
    payload = payload or CLIENTS[dialect]
    return replace(make_call(), dialect=dialect, name="alias", payload=payload, body=json.dumps(payload).encode())


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_request_crosses(client: str, provider: str) -> None:
    sent = outgoing(make(client), "M", Additions(), dialect=provider)

    wanted = json.loads(json.dumps(SENT[provider]))
    if client == "ollama-embeddings":  # it has no such wish
        for holder in (wanted, *wanted.get("requests", ())):
            holder.pop("dimensions", holder.pop("outputDimensionality", None))
    assert json.loads(sent.body) == wanted
    assert sent.unsupported == ()


@pytest.mark.parametrize(("client", "provider"), PAIRS)
def test_reply_crosses(client: str, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps(REPLIES[provider]).encode()
    call = make(client)
    now_ns = int(call.started_at * 1e9) + 7
    monkeypatch.setattr("app.dialects.ollama.times.time", SimpleNamespace(monotonic_ns=lambda: now_ns))
    reading = incoming(call, provider="Acme", model="M", dialect=provider)

    out = b"".join(reading.feed(body[at : at + 1]) for at in range(len(body))) + reading.close(certain=True)

    assert json.loads(out) == REPLIES[client]
    assert reading.read_usage() == Usage(input=9)


@pytest.mark.parametrize("dialect", CLIENTS)
def test_request_to_a_provider_of_the_same_dialect_is_not_rebuilt(dialect: str) -> None:
    body = json.dumps({**CLIENTS[dialect], "further": [1.50]}, indent=3).encode().replace(b"alias", b"M")
    call = replace(make(dialect), name="M", payload=json.loads(body), body=body)

    assert outgoing(call, "M", Additions(), dialect=dialect).body == body


@pytest.mark.parametrize("dialect", CLIENTS)
def test_request_to_a_provider_of_the_same_dialect_has_its_name_of_the_model(dialect: str) -> None:
    sent = outgoing(make(dialect), "M", Additions(), dialect=dialect).body

    assert json.loads(sent) == json.loads(json.dumps(CLIENTS[dialect]).replace("alias", "M"))


@pytest.mark.parametrize("dialect", CLIENTS)
def test_reply_of_the_same_dialect_passes_and_is_metered(dialect: str) -> None:
    body = json.dumps(REPLIES[dialect], indent=3).encode()
    reading = incoming(make(dialect), provider="Acme", model="M", dialect=dialect)

    out = b"".join(reading.feed(body[at : at + 1]) for at in range(len(body))) + reading.close(certain=True)

    assert out == body
    expected = Usage(input=2, estimated=True) if dialect == "ollama-embeddings" else Usage(input=9)
    assert reading.read_usage() == expected


def test_usage_that_nobody_counted_is_estimated_and_told() -> None:
    call = make("openai-embeddings", {"input": ["x" * 40, "y"]})
    reading = incoming(call, provider="Acme", model="M", dialect="gemini-embed-batch")
    reading.feed(b'{"embeddings":[{"values":[1]},{"values":[2]}]}')

    reply = json.loads(reading.close(certain=True))

    assert reply["usage"] == {"prompt_tokens": 11, "total_tokens": 11}
    assert reading.read_usage() == Usage(input=11, estimated=True)


def test_tokens_are_counted_where_the_provider_does_not() -> None:
    reading = incoming(
        make("openai-embeddings", {"input": [[1, 2], [3]]}), provider="Acme", model="M", dialect="openai-embeddings"
    )

    assert reading.read_usage() == Usage(input=3, estimated=True)


def test_request_that_only_its_provider_understands_is_not_metered_before_it_answers() -> None:
    reading = incoming(
        make("openai-embeddings", {"input": {"image": "x"}}), provider="Acme", model="M", dialect="openai-embeddings"
    )

    assert reading.read_usage() == Usage()


@pytest.mark.parametrize("provider", ["ollama-embed", "gemini-embed-batch"])
def test_tokens_for_a_provider_that_reads_text_are_refused(provider: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        outgoing(make("openai-embeddings", {"input": [1, 2]}), "M", Additions(), dialect=provider)

    assert (raised.value.status, raised.value.param) == (400, "input")


@pytest.mark.parametrize("vectors", [[], [[1.0], [2.0]]])
def test_reply_without_a_vector_for_each_input_is_refused(vectors: list[list[float]]) -> None:
    reading = incoming(make("openai-embeddings"), provider="Acme", model="M", dialect="ollama-embed")
    reading.feed(json.dumps({"embeddings": vectors}).encode())

    with pytest.raises(UpstreamInvalid):
        reading.close(certain=True)


def test_reply_that_is_no_json_is_refused() -> None:
    reading = incoming(make("openai-embeddings"), provider="Acme", model="M", dialect="ollama-embed")
    reading.feed(b"<html>")

    with pytest.raises(UpstreamInvalid, match="Acme"):
        reading.close(certain=True)


def test_error_with_status_200_is_one_and_tells_no_key() -> None:
    reading = incoming(
        make("openai-embeddings"), provider="Acme", model="M", dialect="ollama-embed", secret="my-own-key"
    )
    reading.feed(b'{"error":"my-own-key is broke"}')

    with pytest.raises(UpstreamError, match=r"\[redacted\] is broke"):
        reading.close(certain=True)


def test_additions_of_the_configuration_come_along() -> None:
    sent = outgoing(make("ollama-embed"), "M", Additions(extra={"user": "all"}), dialect="openai-embeddings")

    assert json.loads(sent.body)["user"] == "all"


def test_embeddings_are_asked_of_providers_that_have_them() -> None:
    assert choose_dialect("openai-embeddings", ["ollama", "ollama-embed", "ollama-embeddings"]) == "ollama-embed"
    assert choose_dialect("openai-embeddings", ["anthropic", "anthropic-count"]) is None
    assert choose_dialect("anthropic", ["openai", "openai-embeddings"]) == "openai"
    assert choose_dialect("openai-images", ["gemini"]) is None


@pytest.mark.parametrize("dialect", EMBEDDINGS)
def test_no_vector_has_a_shape_too(dialect: str) -> None:
    about = About("req_1", "m", 1, wants_usage=True, payload={})

    written = EMBEDDINGS[dialect].write_reply(Embeddings([]), about)

    assert next(written[key] for key in ("data", "embeddings", "embedding") if key in written) in ([], {"values": []})


RULES = Rules(
    max_completion_tokens=True, system_prompt=False, unsupported=("dimensions", "user", "temperature", "tools")
)
SAID = {
    "openai-embeddings": "dimensions",
    "ollama-embed": "dimensions",
    "gemini-embed": "outputDimensionality",
    "gemini-embed-batch": "requests.outputDimensionality",
}
"""How a client of each dialect asks for shorter vectors, where it can."""


@pytest.mark.parametrize(("client", "provider"), [*PAIRS, *((dialect, dialect) for dialect in CLIENTS)])
def test_what_the_model_does_not_take_is_left_out_and_named(client: str, provider: str) -> None:
    sent = outgoing(make(client), "M", Additions(), dialect=provider, rules=RULES)

    assert b"imension" not in sent.body
    assert b"Hello" in sent.body
    assert list(sent.unsupported) == ([SAID[client]] if client in SAID else [])


def test_dimensions_are_left_out_of_those_requests_of_a_batch_that_have_them() -> None:
    content = {"model": "models/M", "content": {"parts": [{"text": "Hello"}]}}
    call = make("gemini-embed-batch", {"requests": [{**content, "output_dimensionality": 2}, content]})

    sent = outgoing(call, "M", Additions(), dialect="gemini-embed-batch", rules=RULES)

    assert json.loads(sent.body) == {"requests": [content, content]}
    assert list(sent.unsupported) == ["requests.output_dimensionality"]


def test_body_without_what_the_model_does_not_take_is_not_rebuilt() -> None:
    body = b'{"input" : ["Hello"], "model":"M"}'
    call = replace(make("openai-embeddings"), name="M", payload=json.loads(body), body=body)

    assert outgoing(call, "M", Additions(), dialect="openai-embeddings", rules=RULES).body == body
