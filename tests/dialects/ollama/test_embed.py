"""Embeddings: requests and replies of both endpoints, both ways."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import ollama
import pytest

from app.core.embedding import EmbeddingRequest, Embeddings
from app.core.errors import InvalidRequest, UpstreamInvalid
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.ollama.embed import (
    find_usage,
    is_embed_load,
    is_embeddings_load,
    read_asked,
    read_embed,
    read_embed_request,
    read_embeddings_request,
    write_embed,
    write_embed_load,
    write_embed_request,
    write_embeddings,
    write_embeddings_load,
)
from tests.recordings import Recording, recorded

ABOUT = About("req_1", "m", 1, wants_usage=True, payload={})


@pytest.mark.parametrize("recording", recorded("native-embed.*", "ollama"))
def test_recorded_reply_is_read_and_written_as_it_was(recording: Recording) -> None:
    document = json.loads(recording.body)

    embeddings = read_embed(document)
    written = write_embed(embeddings, ABOUT)

    assert {**document, "load_duration": 0, "total_duration": 0} == written
    assert ollama.EmbedResponse.model_validate(written).embeddings == document["embeddings"]
    assert embeddings.usage == find_usage(recording.body[-100:]) == Usage(input=document["prompt_eval_count"])


def test_reply_tells_how_long_the_call_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dialects.ollama.times.time", SimpleNamespace(monotonic_ns=lambda: 3_000_000_000))

    assert write_embed(Embeddings([[0.5]]), replace(ABOUT, began_s=1.0))["total_duration"] == 2_000_000_000


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"model": "m", "input": "a"}, EmbeddingRequest(("a",))),
        ({"model": "m", "input": ["a", ""]}, EmbeddingRequest(("a", ""))),
        ({"input": ""}, EmbeddingRequest(())),
        ({}, EmbeddingRequest(())),
        ({"input": "a", "dimensions": 64, "options": {}}, EmbeddingRequest(("a",), 64)),
        ({"input": "a", "dimensions": 0}, EmbeddingRequest(("a",))),
        ({"input": "a", "truncate": False}, EmbeddingRequest(("a",), extras={"truncate": False})),
    ],
)
def test_embed_request_is_read(payload: dict[str, Any], wanted: EmbeddingRequest) -> None:
    assert read_embed_request(payload) == wanted


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"input": 5}, "input"),
        ({"input": [5]}, "input"),
        ({"input": "a", "dimensions": -1}, "dimensions"),
        ({"input": "a", "dimensions": "x"}, "dimensions"),
    ],
)
def test_embed_request_that_is_wrong_is_refused(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_embed_request(payload)

    assert raised.value.param == param


def test_embeddings_request_has_one_text() -> None:
    assert read_embeddings_request({"model": "m", "prompt": "a"}) == EmbeddingRequest(("a",))
    assert read_embeddings_request({"model": "m", "prompt": ""}) == EmbeddingRequest(())


def test_request_is_written() -> None:
    encoded = write_embed_request(EmbeddingRequest(("a", "b"), 64, extras={"truncate": False}), "m")

    assert encoded.payload == {"model": "m", "input": ["a", "b"], "dimensions": 64, "truncate": False}
    assert encoded.unsupported == ()
    assert read_embed_request(encoded.payload) == EmbeddingRequest(("a", "b"), 64, extras={"truncate": False})


def test_what_ollama_cannot_be_told_is_named() -> None:
    encoded = write_embed_request(EmbeddingRequest(("a",), user="u", extras={"taskType": "CLUSTERING"}), "m")

    assert encoded.payload == {"model": "m", "input": ["a"]}
    assert encoded.unsupported == ("user", "taskType")


def test_tokens_are_refused() -> None:
    with pytest.raises(InvalidRequest) as raised:
        write_embed_request(EmbeddingRequest(("a", (1, 2))), "m")

    assert raised.value.param == "input"


def test_reply_of_the_old_endpoint_has_the_only_vector() -> None:
    written = write_embeddings(Embeddings([[0.5, 1]]), ABOUT)

    assert ollama.EmbeddingsResponse.model_validate(written).embedding == [0.5, 1]


@pytest.mark.parametrize("payload", [{}, {"input": ""}, {"input": []}, {"input": None}])
def test_request_without_a_text_is_one_to_load(payload: dict[str, Any]) -> None:
    assert is_embed_load(payload)
    assert is_embeddings_load({"prompt": payload.get("input") or ""})
    assert not is_embed_load({"input": "a"})
    assert not is_embeddings_load({"prompt": "a"})


def test_request_to_load_is_answered_without_a_vector() -> None:
    assert json.loads(write_embeddings_load(ABOUT)) == {"embedding": []}
    assert ollama.EmbedResponse.model_validate_json(write_embed_load(ABOUT)).embeddings == []


def test_request_names_a_model() -> None:
    assert read_asked(b'{"model":"m","input":"a"}').name == "m"
    with pytest.raises(InvalidRequest) as raised:
        read_asked(b'{"input":"a"}')
    assert raised.value.param == "model"


@pytest.mark.parametrize("document", [None, {}, {"embeddings": 5}, {"embeddings": [5]}, {"embeddings": [["x"]]}])
def test_what_is_no_reply_is_refused(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        read_embed(document)
