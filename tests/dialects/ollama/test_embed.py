"""Embeddings: requests and replies of both endpoints, both ways."""

import json
from typing import Any

import ollama
import pytest

from app.core.errors import InvalidRequest, UpstreamInvalid
from app.dialects.ollama.embed import (
    Embeddings,
    EmbedRequest,
    read_embed,
    read_embed_request,
    read_embeddings,
    read_embeddings_request,
    write_embed,
    write_embed_request,
    write_embeddings,
)
from tests.recordings import Recording, recorded


@pytest.mark.parametrize("recording", recorded("native-embed.*", "ollama"))
def test_recorded_reply_is_read_and_written_as_it_was(recording: Recording) -> None:
    document = json.loads(recording.body)

    embeddings = read_embed(document)
    written = write_embed(embeddings, document["model"], document["total_duration"])

    assert {**written, "load_duration": document["load_duration"]} == document
    assert ollama.EmbedResponse.model_validate(written).embeddings == document["embeddings"]


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"model": "m", "input": "a"}, EmbedRequest(("a",))),
        ({"name": "m", "input": ["a", ""]}, EmbedRequest(("a", ""))),
        ({"input": ""}, EmbedRequest(())),
        ({}, EmbedRequest(())),
        ({"input": "a", "dimensions": 64, "options": {}}, EmbedRequest(("a",), 64)),
        ({"input": "a", "dimensions": 0}, EmbedRequest(("a",))),
        ({"input": "a", "truncate": False}, EmbedRequest(("a",), extras={"truncate": False})),
    ],
)
def test_embed_request_is_read(payload: dict[str, Any], wanted: EmbedRequest) -> None:
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
    assert read_embeddings_request({"model": "m", "prompt": "a"}) == EmbedRequest(("a",))
    assert read_embeddings_request({"model": "m", "prompt": ""}) == EmbedRequest(())


def test_request_is_written() -> None:
    payload = write_embed_request(EmbedRequest(("a", "b"), 64, {"truncate": False}), "m")

    assert payload == {"model": "m", "input": ["a", "b"], "dimensions": 64, "truncate": False}
    assert read_embed_request(payload) == EmbedRequest(("a", "b"), 64, {"truncate": False})


def test_reply_of_the_old_endpoint() -> None:
    written = write_embeddings(Embeddings([[0.5, 1]]))

    assert ollama.EmbeddingsResponse.model_validate(written).embedding == [0.5, 1]
    assert read_embeddings(written) == Embeddings([[0.5, 1]])


def test_reply_without_a_text() -> None:
    assert write_embeddings(Embeddings([])) == {"embedding": []}
    assert read_embeddings({"embedding": []}) == Embeddings([])
    assert write_embed(Embeddings([]), "m", 5)["embeddings"] == []


@pytest.mark.parametrize("document", [None, {}, {"embeddings": 5}, {"embeddings": [5]}, {"embeddings": [["x"]]}])
def test_what_is_no_reply_is_refused(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        read_embed(document)
    with pytest.raises(UpstreamInvalid):
        read_embeddings({"embedding": document})
