"""Tool calls in all the ways in which servers report them."""

from typing import Any

import pytest

from app.core.chat import Signature
from app.core.events import Event, ToolCallDelta, ToolCallStarted, merge
from app.dialects.openai.calls import CallReader


def read(*deltas: list[dict[str, Any]]) -> list[Event]:
    reader = CallReader()
    events: list[Event] = []
    for delta in deltas:
        events += reader.read(delta, whole=False)
    return merge(events + reader.close())


def named(events: list[Event]) -> list[tuple[str, str]]:
    """Names and arguments, where the ids are ours."""
    calls = {event.index: event.name for event in events if isinstance(event, ToolCallStarted)}
    texts = dict.fromkeys(calls, "")
    for event in events:
        if isinstance(event, ToolCallDelta):
            texts[event.index] += event.arguments
    ids = [event.id for event in events if isinstance(event, ToolCallStarted)]
    assert len(set(ids)) == len(ids)
    assert all(call_id.startswith("call_") for call_id in ids)
    return [(calls[index], texts[index]) for index in calls]


def entry(index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None) -> Any:
    fields = {"index": index, "id": call_id, "type": "function"}
    function = {"name": name, "arguments": arguments}
    return {
        **{key: value for key, value in fields.items() if value is not None},
        "function": {key: value for key, value in function.items() if value is not None},
    }


TWO_CALLS = [
    ToolCallStarted(0, "a", "f"),
    ToolCallDelta(0, '{"x":1}'),
    ToolCallStarted(1, "b", "g"),
    ToolCallDelta(1, "{}"),
]


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            [
                *([entry(0, "a", "f", "")], [entry(0, arguments='{"x"')], [entry(0, arguments=":1}")]),
                *([entry(1, "b", "g", "")], [entry(1, arguments="{}")]),
            ],
            id="as OpenAI does",
        ),
        pytest.param([[entry(0, "a", "f", '{"x":1}')], [entry(1, "b", "g", "{}")]], id="each whole"),
        pytest.param([[entry(0, "a", "f", '{"x":1}'), entry(1, "b", "g", "{}")]], id="all at once"),
        pytest.param([[entry(0, "a", "f", '{"x":1}'), entry(0, "b", "g", "{}")]], id="index 0 for all, at once"),
        pytest.param([[entry(0, "a", "f", '{"x":1}')], [entry(0, "b", "g", "{}")]], id="index 0 for all"),
        pytest.param([[entry(None, "a", "f", '{"x":1}')], [entry(None, "b", "g", "{}")]], id="no index"),
        pytest.param(
            [[entry(None, "a", "f", '{"x"')], [entry(None, None, None, ":1}")], [entry(None, "b", "g", "{}")]],
            id="no index, in pieces",
        ),
        pytest.param(
            [[entry(None, "a", "f", '{"x"')], [entry(None, "a", "f", ":1}")], [entry(None, "b", "g", "{}")]],
            id="no index, id and name again",
        ),
        pytest.param(
            [[entry(0, "a", "f", '{"x"')], [entry(0, "a", "f", ":1}")], [entry(1, "b", "g", "{}")]],
            id="id and name again",
        ),
        pytest.param(
            [
                *([entry(0, None, "f")], [entry(0, arguments='{"x"')], [entry(0, "a", arguments=":1}")]),
                *([{"index": 1, "id": "b"}], [entry(1, name="g")], [entry(1, arguments="{}")]),
            ],
            id="id or name late",
        ),
        pytest.param(
            [[entry(None, None, "f", '{"x"')], [entry(None, "a", None, ":1}")], [entry(None, "b", "g", "{}")]],
            id="no index, id late",
        ),
        pytest.param([[entry(5, "a", "f", '{"x":1}')], [entry(9, "b", "g", "{}")]], id="counted from anywhere"),
        pytest.param([[entry(0, "a", "f", {"x": 1})], [entry(1, "b", "g", {})]], id="arguments as objects"),
        pytest.param(
            [[entry(0, "a", "f", '{"x"')], [entry(0, "other", None, ":1}")], [entry(1, "b", "g", "{}")]],
            id="another id, but no name",
        ),
    ],
)
def test_two_calls_are_read(deltas: list[list[dict[str, Any]]]) -> None:
    assert read(*deltas) == TWO_CALLS


@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param([[entry(0, None, "f", '{"x":1}'), entry(1, None, "f", "{}")]], id="by index"),
        pytest.param([[entry(0, "", "f", '{"x":1}'), entry(0, "", "f", "{}")]], id="as Gemini does"),
        pytest.param([[entry(None, None, "f", '{"x":1}')], [entry(None, None, "f", "{}")]], id="by name only"),
        pytest.param(
            [[entry(0, None, "f", '{"x"')], [entry(0, None, "f", ":1}")], [entry(0, None, "f", "{}")]],
            id="by name only, in pieces",
        ),
    ],
)
def test_calls_without_ids_get_ours(deltas: list[list[dict[str, Any]]]) -> None:
    assert named(read(*deltas)) == [("f", '{"x":1}'), ("f", "{}")]


def test_calls_of_a_whole_message_are_each_their_own() -> None:
    entries = [entry(0, "a", "f", '{"x":1}'), entry(0, "b", "g", "{}")]

    assert merge(CallReader().read(entries, whole=True)) == TWO_CALLS


def test_interleaved_calls_are_told_apart() -> None:
    events = read(
        [entry(0, "a", "f", "")], [entry(1, "b", "g", "")], [entry(0, arguments="1")], [entry(1, arguments="2")]
    )

    assert events[2:] == [ToolCallDelta(0, "1"), ToolCallDelta(1, "2")]


def test_geminis_proof_is_told_with_the_call() -> None:
    call = {**entry(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "proof"}}}

    assert read([call])[0] == ToolCallStarted(0, "a", "f", Signature("proof", "gemini"))


@pytest.mark.parametrize(
    "entries",
    [
        "odd",
        5,
        {},
        [None, 5, "odd", []],
        [{}],
        [{"index": 0, "id": "a", "function": {"arguments": "{}"}}],
        [{"index": 0, "function": "odd"}],
        [{"index": "odd", "id": 5, "function": {"name": 5, "arguments": 5}}],
        [{"id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}],
    ],
)
def test_what_is_no_call_is_left_out(entries: Any) -> None:
    assert read(entries) == []
