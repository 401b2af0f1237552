"""Whatever comes, from a provider or from a client: none but the errors that are agreed on come out."""

import contextlib
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidRequest, UpstreamCut, UpstreamError, UpstreamInvalid
from app.core.jsonio import dumps
from app.dialects.gemini.dialect import GEMINI
from app.dialects.gemini.request import read_asked
from app.dialects.gemini.signatures import read_signature
from app.dialects.gemini.stream import StreamReader

REQUEST: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        {
            "role": "model",
            "parts": [
                {"text": "so", "thought": True, "thoughtSignature": "c2ln"},
                {"text": "x"},
                {"executableCode": {"code": "1"}},
                {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "1",
                        "name": "f",
                        "response": {"result": "x"},
                        "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
                    }
                },
                {"fileData": {"mimeType": "application/pdf", "fileUri": "https://e.com/a"}, "videoMetadata": {}},
            ],
        },
    ],
    "tools": [
        {
            "functionDeclarations": [
                {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"anyOf": [{}]}}}}
            ]
        },
        {"googleSearch": {"excludeDomains": ["e.com"]}},
        {"codeExecution": {}},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 1,
        "topK": 4,
        "seed": 5,
        "stopSequences": ["a"],
        "thinkingConfig": {"thinkingBudget": 5, "thinkingLevel": "HIGH", "includeThoughts": True},
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "nullable": True, "minItems": "1", "items": {}},
    },
    "labels": {"a": "b"},
}
REPLY: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "so", "thought": True},
                    {"text": "x", "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}},
                    {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "groundingMetadata": {
                "groundingChunks": [{"web": {"uri": "https://e.com", "title": "E"}}],
                "groundingSupports": [
                    {"segment": {"startIndex": 0, "endIndex": 1, "text": "x"}, "groundingChunkIndices": [0]}
                ],
            },
        }
    ],
    "promptFeedback": {"blockReason": "SAFETY"},
    "usageMetadata": {"promptTokenCount": 5, "cachedContentTokenCount": 4, "candidatesTokenCount": 3},
    "modelVersion": "m",
    "responseId": "r",
    "createTime": "2026-11-22T09:00:00Z",
}
ERROR: dict[str, Any] = {
    "error": {
        "code": 429,
        "message": "No",
        "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "5s", "reason": "X"}],
    }
}
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 1 << 70),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=4),
        st.sampled_from(["user", "model", "image/png", "\ud800", "0001-01-01T00:00:00+23:59", "http://["]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
EAGER = settings(max_examples=50, deadline=None)


def places_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object and list of a document, with each of its keys."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places_of(inner)


@st.composite
def spoiled(draw: st.DrawFn, document: dict[str, Any]) -> Any:
    """`document` with something else in up to three of its places."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(places_of(document))))
        holder[key] = draw(ANYTHING)
    return document


@EAGER
@given(spoiled(REQUEST), st.sampled_from(["gemini-3-pro", "gemini-2.5-flash", "gemini-2.0-flash"]))
def test_any_request_is_read_or_refused(payload: dict[str, Any], model: str) -> None:
    with contextlib.suppress(InvalidRequest):
        request = GEMINI.read_request(payload)
        assert dumps(GEMINI.write_request(request, model, True).payload)


@EAGER
@given(st.binary(max_size=60) | ANYTHING.map(dumps))
def test_any_body_is_asked_or_refused(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        read_asked(body, "demo", False)


@EAGER
@given(ANYTHING | spoiled(REPLY))
def test_any_reply_is_read_or_refused(document: Any) -> None:
    with contextlib.suppress(UpstreamInvalid, UpstreamError):
        GEMINI.read_reply(document)


@EAGER
@given(
    st.lists(
        st.binary(max_size=40)
        | st.one_of(ANYTHING, spoiled(REPLY), spoiled(ERROR)).map(lambda chunk: b"data: " + dumps(chunk) + b"\n\n"),
        max_size=3,
    )
)
def test_any_stream_is_read_or_refused(pieces: list[bytes]) -> None:
    reader = StreamReader()

    with contextlib.suppress(UpstreamInvalid, UpstreamCut):
        for piece in pieces:
            reader.feed(piece)
        reader.close(certain=True)


@EAGER
@given(st.binary(max_size=60) | st.one_of(ANYTHING, spoiled(ERROR)).map(dumps), st.integers(200, 599))
def test_any_error_is_read_and_written(body: bytes, status: int) -> None:
    error = GEMINI.read_error(status, body, "Acme", None, ())

    assert 400 <= error.status < 600
    assert GEMINI.write_error(error)


@EAGER
@given(st.text(max_size=20))
def test_any_signature_is_read(text: str) -> None:
    signature, _ = read_signature(text)

    assert signature is None or signature.origin


@pytest.mark.parametrize("depth", [100, 900, 5000])
def test_nesting_without_end_does_no_harm(depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth
    call = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":' + nested + b"}}]}}]}"
    request = b'{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":' + nested + b"}}]}]}"

    with contextlib.suppress(UpstreamInvalid, UpstreamCut):
        StreamReader().feed(b"data: " + call + b"\n\n")
    with contextlib.suppress(InvalidRequest):
        GEMINI.read_request(read_asked(request, "demo", False).payload)
    assert GEMINI.read_error(500, b'{"error":' + nested + b"}", "Acme", None, ()).status == 500
