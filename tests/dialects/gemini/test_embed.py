"""embedContent and batchEmbedContents: requests and replies, both ways."""

import json
from typing import Any

import pytest

from app.core.embedding import EmbeddingRequest, Embeddings
from app.core.errors import InvalidRequest, UpstreamInvalid
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.gemini.embed import (
    find_usage,
    read_asked,
    read_asked_batch,
    read_batch,
    read_batch_request,
    read_embed_request,
    write_batch,
    write_batch_request,
    write_embed,
)
from tests.recordings import Recording, recorded

ABOUT = About("req_1", "m", 1, wants_usage=True, payload={})


def content(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": "models/m", "content": {"parts": [{"text": text}]}, **fields}


@pytest.mark.parametrize("recording", recorded("embeddings.embeddings", "gemini"))
def test_recorded_exchange_is_read_and_written_as_it_was(recording: Recording) -> None:
    document = json.loads(recording.body)

    request = read_batch_request(recording.request)
    embeddings = read_batch(document)

    assert request == EmbeddingRequest(("Hello, world!",), 768, extras={"taskType": "RETRIEVAL_QUERY"})
    assert write_batch_request(request, "gemini-embedding-2-preview").payload == recording.request
    assert write_batch(embeddings, ABOUT) == document
    assert embeddings.usage is None
    assert find_usage(recording.body) is None


def test_request_of_one_content_is_read_in_either_spelling() -> None:
    payload = {"content": {"parts": [{"text": "a"}, {"text": "b"}]}, "output_dimensionality": 8, "task_type": "X"}

    assert read_embed_request(payload) == EmbeddingRequest(("a\nb",), 8, extras={"taskType": "X"})


def test_requests_are_read_as_one() -> None:
    payload = {"requests": [content("a", outputDimensionality=8), content("b", outputDimensionality=8)]}

    assert read_batch_request(payload) == EmbeddingRequest(("a", "b"), 8)


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": [{}]}, "requests[0].content"),
        ({"requests": [{"content": {"parts": []}}]}, "requests[0].content.parts"),
        ({"requests": [content("a"), {"content": {"parts": [{"inlineData": {}}]}}]}, "requests[1].content.parts[0]"),
        ({"requests": [content("a"), content("b", taskType="X")]}, "requests[1]"),
        ({"requests": [content("a", outputDimensionality="x")]}, "requests[0].outputDimensionality"),
    ],
)
def test_request_that_is_wrong_is_refused(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_batch_request(payload)

    assert raised.value.param == param


@pytest.mark.parametrize("body", [b"{}", b'{"requests":[5]}', b"[]"])
def test_batch_without_requests_is_refused_at_the_door(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_asked_batch(body, "m")


def test_url_names_a_model() -> None:
    assert read_asked(b"{}", "m").name == "m"
    with pytest.raises(InvalidRequest):
        read_asked(b"{}", " ")


def test_clients_of_other_apis_can_name_the_task() -> None:
    request = EmbeddingRequest(("a",), extras={"task_type": "CLUSTERING", "input_type": "query"}, user="u")

    encoded = write_batch_request(request, "m")

    assert encoded.payload == {"requests": [content("a", taskType="CLUSTERING")]}
    assert encoded.unsupported == ("user", "input_type")


def test_tokens_are_refused() -> None:
    with pytest.raises(InvalidRequest) as raised:
        write_batch_request(EmbeddingRequest(((1, 2),)), "m")

    assert raised.value.param == "input"


def test_usage_is_read_and_written() -> None:
    usage = Usage(input=7)

    written = write_embed(Embeddings([[0.5]], usage), ABOUT)

    assert written == {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 7}}
    assert find_usage(json.dumps(written, indent=2).encode()) == usage
    assert read_batch({"embeddings": [], "usageMetadata": {"promptTokenCount": 7}}).usage == usage


@pytest.mark.parametrize("document", [None, {}, {"embeddings": 5}, {"embeddings": [5]}, {"embeddings": [{}]}])
def test_what_is_no_reply_is_refused(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        read_batch(document)
