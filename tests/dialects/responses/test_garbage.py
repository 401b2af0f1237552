"""Whatever comes, from a provider or a client, nothing but the promised errors comes out."""

import contextlib
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidRequest, UpstreamCut, UpstreamError, UpstreamInvalid
from app.core.events import Event, Failed, Finished, fold
from app.core.jsonio import dumps
from app.dialects.dialect import About
from app.dialects.responses.dialect import RESPONSES
from app.dialects.responses.request import needs_state, read_asked
from app.dialects.responses.stream import ResponsesReader

_WRONG: list[Any] = [None, True, 0, -1, 1.5, 1e300, 1 << 70, "", "x", "\ud800", [], [None], [[]], {}, {"": []}, [{}]]
WRONG = st.sampled_from(_WRONG).map(deepcopy)

SOURCE = {"type": "url_citation", "url": "u", "start_index": 0}
PART = {"type": "output_text", "text": "ab", "annotations": [SOURCE]}
SUMMARY = {"type": "summary_text", "text": "Hm"}
OUTPUT = [
    {"type": "reasoning", "id": "rs_1", "summary": [SUMMARY], "content": [SUMMARY], "encrypted_content": "s"},
    {"type": "message", "id": "msg_1", "role": "assistant", "content": [PART, {"type": "refusal", "refusal": "No"}]},
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"},
    {"type": "image_generation_call", "id": "ig_1", "result": "aGk=", "output_format": "png"},
    {"type": "web_search_call", "id": "ws_1"},
]
USAGE = {"input_tokens": 5, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 1}}
RESPONSE = {"id": "resp_1", "model": "m", "created_at": 5, "status": "completed", "output": OUTPUT, "usage": USAGE}
FAILED = {"status": "failed", "error": {"code": "server_error", "message": "Oh.", "type": "x"}}
PLACE = {"output_index": 1, "content_index": 0, "summary_index": 0, "item_id": "msg_1"}
EVENTS = [
    {"type": "response.created", "response": RESPONSE},
    *({"type": "response.output_item.added", "output_index": index, "item": item} for index, item in enumerate(OUTPUT)),
    {**PLACE, "type": "response.content_part.added", "part": {"type": "refusal"}},
    {**PLACE, "type": "response.output_text.delta", "delta": "a"},
    {**PLACE, "type": "response.output_text.annotation.added", "annotation": SOURCE},
    {**PLACE, "type": "response.output_text.done", "text": "ab"},
    {**PLACE, "type": "response.refusal.delta", "delta": "a"},
    {**PLACE, "type": "response.refusal.done", "refusal": "ab"},
    {**PLACE, "type": "response.content_part.done", "part": PART},
    {**PLACE, "type": "response.content_part.done", "part": {"type": "reasoning_text", "text": "a"}},
    {**PLACE, "type": "response.reasoning_summary_text.delta", "delta": "a"},
    {**PLACE, "type": "response.reasoning_summary_text.done", "text": "ab"},
    {**PLACE, "type": "response.reasoning_text.delta", "delta": "a"},
    {**PLACE, "type": "response.reasoning_text.done", "text": "ab"},
    {**PLACE, "type": "response.function_call_arguments.delta", "delta": "{"},
    {**PLACE, "type": "response.function_call_arguments.done", "arguments": "{}"},
    *({"type": "response.output_item.done", "output_index": index, "item": item} for index, item in enumerate(OUTPUT)),
    {"type": "response.completed", "response": RESPONSE},
    {"type": "response.incomplete", "response": {**RESPONSE, "incomplete_details": {"reason": "content_filter"}}},
    {"type": "response.failed", "response": FAILED},
    {"type": "error", "code": "server_error", "message": "Oh."},
    {"error": {"code": 429, "message": "Oh."}},
]
CONTENT = [
    {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
    {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low"},
    {"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"},
    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
    {"type": "input_image", "file_id": "file-1"},
]
REQUEST = {
    "model": "m",
    "instructions": "Be kind.",
    "input": [
        {"role": "user", "content": CONTENT},
        *OUTPUT,
        {"type": "reasoning", "summary": [], "encrypted_content": "lr.call.gemini.x"},
        {"type": "function_call_output", "call_id": "call_1", "output": CONTENT, "name": "f"},
        {"type": "item_reference", "id": "msg_1"},
        {"role": "assistant", "content": "Yes"},
    ],
    "stream": True,
    "tools": [
        {"type": "function", "name": "f", "parameters": {}, "strict": True, "description": "d"},
        {"type": "web_search", "filters": {"allowed_domains": ["a.example"]}, "user_location": {"city": "Bern"}},
        {"type": "custom", "name": "c"},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto", "mode": "pro"},
    "include": ["reasoning.encrypted_content"],
    "stream_options": {"include_obfuscation": True},
    "service_tier": "auto",
    "max_output_tokens": 50,
    "temperature": 1,
    "store": False,
    "metadata": {"a": "b"},
    "user": "u",
    "safety_identifier": "s",
}
ABOUT = About("req_1", "m", 1, wants_usage=True, payload=REQUEST)


@st.composite
def spoiled(draw: st.DrawFn, documents: Sequence[Any]) -> Any:
    """One of `documents` with up to three values somewhere in it exchanged for wrong ones."""
    document = deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = document
        while True:
            keys: Any = list(place) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(keys)) if keys else None
            inner = place[key] if keys else None
            if not isinstance(inner, dict | list) or draw(st.integers(0, 3)) == 0:
                break
            place = inner
        if keys:
            place[key] = draw(WRONG)
    return document


def read(*pieces: bytes) -> list[Event]:
    reader = ResponsesReader()
    events: list[Event] = []
    with contextlib.suppress(UpstreamInvalid, UpstreamCut):
        for piece in pieces:
            events += reader.feed(piece)
        events += reader.close(certain=True)
    return events


def written(events: list[Event]) -> bytes:
    writer = RESPONSES.write_stream(ABOUT)
    return b"".join([writer.write(event) for event in events])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=30), max_size=5))
def test_reader_takes_any_bytes(pieces: list[bytes]) -> None:
    read(*pieces, b"\n\ndata: ", *pieces, b"\n\n")


@settings(deadline=None, max_examples=150)
@given(st.lists(spoiled(EVENTS), max_size=6))
def test_reader_and_writer_take_any_events(events: list[Any]) -> None:
    told = read(b"".join([b"data: " + dumps(event) + b"\n\n" for event in events]))

    written(told)
    assert not [event for event in told[:-1] if isinstance(event, Finished | Failed)]
    if not any(isinstance(event, Failed) for event in told):
        RESPONSES.write_reply(fold(told), ABOUT)


@settings(deadline=None, max_examples=120)
@given(spoiled([RESPONSE, FAILED]))
def test_any_reply_is_read_or_refused(document: Any) -> None:
    with contextlib.suppress(UpstreamInvalid, UpstreamError):
        written(RESPONSES.read_reply(document))


@settings(deadline=None, max_examples=150)
@given(spoiled([REQUEST]))
def test_any_request_is_read_and_written_or_refused(payload: dict[str, Any]) -> None:
    needs_state(payload)
    with contextlib.suppress(InvalidRequest):
        read_asked(dumps(payload))
    with contextlib.suppress(InvalidRequest):
        dumps(RESPONSES.write_request(RESPONSES.read_request(payload), "m", True).payload)


@settings(deadline=None, max_examples=60)
@given(st.integers(100, 599), st.binary(max_size=50) | spoiled([FAILED]).map(dumps))
def test_any_error_is_read(status: int, body: bytes) -> None:
    error = RESPONSES.read_error(status, body, "Acme", None, ("secret",))

    assert RESPONSES.write_error(error)
    assert RESPONSES.write_error_event(error)
