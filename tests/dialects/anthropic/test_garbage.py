"""Whatever comes, only the errors that are promised come out."""

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.chat import ChatRequest
from app.core.errors import InvalidRequest, UpstreamCut, UpstreamError, UpstreamInvalid
from app.core.events import Event, Failed, Finished, fold
from app.core.jsonio import dumps
from app.dialects.anthropic.errors import read_error, write_error
from app.dialects.anthropic.reply import read_reply, write_reply
from app.dialects.anthropic.request import read_asked, read_request, write_request
from app.dialects.anthropic.stream import MessageReader
from app.dialects.anthropic.writer import MessageWriter
from tests.dialects.anthropic.saying import ABOUT

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
KINDS = st.sampled_from(
    [
        *("text", "thinking", "redacted_thinking", "tool_use", "tool_result", "image", "document", "server_tool_use"),
        *("text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta"),
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"),
        *("message_stop", "error", "ping", "base64", "url", "content", "enabled", "adaptive", "auto", "tool", "custom"),
        *("web_search_20250305", "web_search_result_location", "json_schema"),
    ]
)
KEYS = st.sampled_from(
    [
        *("type", "text", "thinking", "signature", "data", "id", "name", "input", "content", "source", "role", "title"),
        *("index", "delta", "content_block", "message", "usage", "stop_reason", "error", "citations", "citation"),
        *("partial_json", "input_tokens", "output_tokens", "iterations", "url", "media_type", "tool_use_id"),
        *("model", "messages", "system", "tools", "tool_choice", "output_config", "output_format", "metadata"),
        *("max_tokens", "temperature", "stop_sequences", "format", "schema", "effort", "budget_tokens", "file_id"),
    ]
)
JSON = st.recursive(
    ATOMS | KINDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=6)
TYPED = st.builds(lambda kind, more: {**more, "type": kind}, KINDS, OBJECTS)
REQUESTS = st.builds(
    lambda more, role, content: {**more, "messages": [{"role": role, "content": content}]},
    OBJECTS,
    st.sampled_from(["user", "assistant", "system"]),
    st.lists(TYPED | JSON, max_size=3) | st.text(max_size=3),
)


def check(events: list[Event]) -> None:
    """Events that fit together, and that a client can be told."""
    assert not any(isinstance(event, Finished | Failed) for event in events[:-1])
    writer = MessageWriter(ABOUT)
    for event in events:
        writer.write(event)
    if events and not isinstance(events[-1], Failed):
        dumps(write_reply(fold(events), ABOUT))


def run(stream: bytes) -> None:
    reader, events = MessageReader(), []
    with contextlib.suppress(UpstreamInvalid, UpstreamCut):
        events += reader.feed(stream[: len(stream) // 2])
        events += reader.feed(stream[len(stream) // 2 :])
        events += reader.close(certain=True)
    check(events)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_stream(data: bytes) -> None:
    run(data)


@settings(max_examples=40, deadline=None)
@given(st.lists(TYPED | OBJECTS, max_size=6))
def test_any_events_as_a_stream(documents: list[dict[str, Any]]) -> None:
    run(b"".join([b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents]))


@settings(max_examples=50, deadline=None)
@given(
    JSON | st.builds(lambda more, content: {**more, "content": content}, OBJECTS, st.lists(TYPED | JSON, max_size=3))
)
def test_any_json_as_a_reply(reply: Any) -> None:
    with contextlib.suppress(UpstreamInvalid, UpstreamError):
        check(read_reply(reply))


@settings(max_examples=80, deadline=None)
@given(REQUESTS | OBJECTS)
def test_any_json_as_a_request(payload: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidRequest):
        request = read_request(payload)
        assert isinstance(request, ChatRequest)
        for model in ("claude-sonnet-4-5", "claude-opus-5"):
            dumps(write_request(request, model, False).payload)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=50) | OBJECTS.map(dumps))
def test_any_bytes_at_the_door(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        read_asked(body)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=50) | JSON.map(dumps), st.integers(100, 599))
def test_any_bytes_as_an_error(body: bytes, status: int) -> None:
    error = read_error(status, body, "Acme", None, ())

    assert error.status >= 400
    assert error.message
    assert json.loads(write_error(error))["type"] == "error"
