"""Whatever comes, only the errors that are promised come out."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidRequest, UpstreamCut, UpstreamError, UpstreamInvalid
from app.core.events import Failed, Finished, Started
from app.core.jsonio import dumps
from app.dialects.ollama.dialect import OLLAMA, OLLAMA_GENERATE
from app.dialects.ollama.embed import read_embed, read_embed_request, read_embeddings_request
from app.dialects.ollama.request import read_asked, read_asked_generate
from tests.dialects.ollama.playing import UNHURRIED

# All fields that anything of the dialect reads.
KEYS = st.sampled_from(
    [
        "model",
        "name",
        "messages",
        "role",
        "content",
        "thinking",
        "thinking_signature",
        "thinking_redacted",
        "images",
        "tool_calls",
        "function",
        "index",
        "arguments",
        "unparsed_arguments",
        "id",
        "signature",
        "tool_name",
        "tool_call_id",
        "tools",
        "type",
        "parameters",
        "description",
        "options",
        "num_predict",
        "temperature",
        "stop",
        "seed",
        "format",
        "think",
        "stream",
        "keep_alive",
        "prompt",
        "system",
        "raw",
        "response",
        "image",
        "message",
        "done",
        "done_reason",
        "created_at",
        "prompt_eval_count",
        "eval_count",
        "citations",
        "url",
        "title",
        "start",
        "error",
        "input",
        "dimensions",
        "embeddings",
        "embedding",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["user", "assistant", "tool", "system", "json", "high", "function", "iVBORw0KGgo", "lr.a.b"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5),
    max_leaves=20,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=8)
CALLS = st.lists(st.fixed_dictionaries({}, optional={"id": VALUES, "function": OBJECTS | VALUES}), max_size=3)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | VALUES},
        optional={
            "content": st.text(max_size=3) | VALUES,
            "tool_calls": CALLS | VALUES,
            "images": VALUES,
            "thinking": VALUES,
        },
    ),
    max_size=4,
)
REQUESTS = st.fixed_dictionaries({"messages": MESSAGES}, optional={"options": OBJECTS, "tools": VALUES}) | OBJECTS


@UNHURRIED
@given(REQUESTS)
def test_request_is_read_or_refused(payload: dict[str, Any]) -> None:
    for dialect in (OLLAMA, OLLAMA_GENERATE):
        try:
            request = dialect.read_request(payload)
        except InvalidRequest:
            continue
        json.loads(dumps(dialect.write_request(request, "m", True).payload))


@UNHURRIED
@given(st.binary() | REQUESTS.map(dumps))
def test_body_is_taken_or_refused(body: bytes) -> None:
    for read_it in (read_asked, read_asked_generate):
        try:
            read_it(body)
        except InvalidRequest:
            continue


@UNHURRIED
@given(OBJECTS | VALUES)
def test_reply_is_read_or_refused(document: Any) -> None:
    try:
        events = OLLAMA.read_reply(document)
    except (UpstreamInvalid, UpstreamError):
        return

    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)


@UNHURRIED
@given(
    st.lists(st.binary(max_size=20) | (OBJECTS | VALUES).map(lambda value: dumps(value) + b"\n"), max_size=5),
    st.booleans(),
)
def test_stream_is_read_or_refused(pieces: list[bytes], certain: bool) -> None:
    reader = OLLAMA.read_stream()
    try:
        events = [event for piece in pieces for event in reader.feed(piece)]
        events += reader.close(certain=certain)
    except (UpstreamInvalid, UpstreamCut, UpstreamError):
        return

    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished | Failed)
    assert sum(isinstance(event, Finished | Failed) for event in events) == 1
    assert reader.ended


@UNHURRIED
@given(st.integers(100, 599), st.binary() | (OBJECTS | VALUES).map(dumps))
def test_error_is_read_whatever_its_body(status: int, body: bytes) -> None:
    error = OLLAMA.read_error(status, body, "Acme", None, ())

    assert error.status >= 400
    assert json.loads(OLLAMA.write_error(error))["error"] == error.message != ""


@UNHURRIED
@given(OBJECTS)
def test_embeddings_are_read_or_refused(document: dict[str, Any]) -> None:
    for read_request in (read_embed_request, read_embeddings_request):
        try:
            read_request(document)
        except InvalidRequest:
            continue
    with suppress(UpstreamInvalid):
        read_embed(document)
