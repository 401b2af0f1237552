"""/v1/embeddings: requests and replies, both ways, and vectors in base64."""

import json
import struct
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from app.core.embedding import EmbeddingRequest, Embeddings
from app.core.errors import InvalidRequest, UpstreamInvalid
from app.core.usage import Usage
from app.dialects.dialect import About
from app.dialects.openai.embeddings import read_reply, read_request, write_base64, write_reply, write_request
from app.dialects.plain import find_usage
from tests.recordings import Recording, recorded

ABOUT = About("req_1", "m", 1, wants_usage=True, payload={})
IN_BASE64 = About("req_1", "m", 1, wants_usage=True, payload={"encoding_format": "base64"})
FLOATS = st.lists(st.floats(width=32, allow_nan=False))


@pytest.mark.parametrize("recording", recorded("embeddings.embeddings", "openai", "openrouter"))
def test_recorded_reply_is_read_and_written_as_it_was(recording: Recording) -> None:
    document = json.loads(recording.body)

    embeddings = read_reply(document)
    written = write_reply(embeddings, ABOUT)

    assert written["data"] == document["data"]
    assert written["model"] == document["model"]
    assert written["usage"].items() <= document["usage"].items()
    assert embeddings.usage == find_usage(recording.body)
    assert CreateEmbeddingResponse.model_validate(written).data[0].embedding == document["data"][0]["embedding"]


@pytest.mark.parametrize(
    "recording", [*recorded("embeddings.embeddings-2", "openai"), *recorded("embeddings.embeddings", "perplexity")]
)
def test_recorded_reply_in_base64_is_refused_where_numbers_were_asked_for(recording: Recording) -> None:
    # Perplexity's is of bytes, which must never be taken for floats.
    with pytest.raises(UpstreamInvalid):
        read_reply(json.loads(recording.body))


@pytest.mark.parametrize("recording", recorded("embeddings.embeddings-2", "openai"))
def test_numbers_of_a_recorded_reply_in_base64_are_written_the_same(recording: Recording) -> None:
    (entry,) = json.loads(recording.body)["data"]
    raw = b64decode(entry["embedding"])

    assert write_base64(struct.unpack(f"<{len(raw) // 4}f", raw)) == entry["embedding"]


@given(FLOATS)
def test_base64_holds_the_very_floats(vector: list[float]) -> None:
    raw = b64decode(write_base64(vector), validate=True)

    assert list(struct.unpack(f"<{len(vector)}f", raw)) == vector


def test_client_that_asks_for_base64_gets_it() -> None:
    written = write_reply(Embeddings([[0.5], [1]], Usage(input=3)), IN_BASE64)

    assert [entry["embedding"] for entry in written["data"]] == ["AAAAPw==", "AACAPw=="]


def test_vectors_are_in_the_order_of_their_index() -> None:
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.0]}]

    assert read_reply({"data": data}).vectors == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"input": "a"}, EmbeddingRequest(("a",))),
        ({"input": ["a", "b"], "encoding_format": "base64"}, EmbeddingRequest(("a", "b"))),
        ({"input": [1, 2]}, EmbeddingRequest(((1, 2),))),
        ({"input": [[1, 2], [3]]}, EmbeddingRequest(((1, 2), (3,)))),
        ({"input": "a", "dimensions": 8, "user": "u"}, EmbeddingRequest(("a",), 8, "u")),
        ({"input": "a", "task_type": "x", "y": None}, EmbeddingRequest(("a",), extras={"task_type": "x"})),
    ],
)
def test_request_is_read_and_written(payload: dict[str, Any], wanted: EmbeddingRequest) -> None:
    request = read_request({"model": "m", **payload})
    encoded = write_request(request, "M")

    assert request == wanted
    assert encoded.payload["model"] == "M"
    assert encoded.payload["encoding_format"] == "float"
    assert encoded.unsupported == tuple(request.extras or ())
    again = read_request(json.loads(json.dumps(encoded.payload)))
    assert (again.inputs, again.dimensions, again.user) == (wanted.inputs, wanted.dimensions, wanted.user)


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": [1, True]}, "input"),
        ({"input": {"text": "a"}}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "encoding_format": "base64_int8"}, "encoding_format"),
    ],
)
def test_request_that_is_wrong_is_refused(payload: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_request(payload)

    assert raised.value.param == param


@pytest.mark.parametrize("document", [None, {}, {"data": 5}, {"data": [5]}, {"data": [{"embedding": [True]}]}])
def test_what_is_no_reply_is_refused(document: Any) -> None:
    with pytest.raises(UpstreamInvalid):
        read_reply(document)
