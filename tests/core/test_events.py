"""Replies as events: folding them, unfolding what they come to, and joining neighbours."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.chat import Image, Reasoning, Refusal, Signature, Text, ToolCall
from app.core.events import (
    Citation,
    Completion,
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    fold,
    merge,
    unfold,
)
from app.core.usage import NO_USAGE, Usage

SIGNATURE = Signature("c2ln", "anthropic")
USAGE = Usage(input=3, output=5)

PARTS = st.lists(
    st.one_of(
        st.builds(Text, st.text(min_size=1)),
        st.builds(Refusal, st.text(min_size=1)),
        st.builds(Reasoning, st.text(min_size=1), st.just(SIGNATURE)),
        st.builds(Reasoning, redacted=st.just(SIGNATURE)),
        st.builds(ToolCall, st.text(min_size=1), st.text(min_size=1), st.just('{"a":1}')),
        st.builds(Image, st.just("aGk="), st.just("image/png")),
    )
).filter(
    lambda parts: all(type(a) is not type(b) or not isinstance(a, Text | Refusal) for a, b in itertools.pairwise(parts))
)


def test_deltas_of_one_kind_become_one_part() -> None:
    events: list[Event] = [
        Started("id", "m", 7),
        ReasoningDelta("so "),
        ReasoningDelta("so"),
        ReasoningSigned(SIGNATURE),
        TextDelta("Hel"),
        TextDelta("lo"),
        Citation("https://example.com"),
        Finished("stop", USAGE),
    ]

    completion = fold(events)

    assert completion.parts == (Reasoning("so so", SIGNATURE), Text("Hello"))
    assert completion.citations == (Citation("https://example.com"),)
    assert (completion.id, completion.model, completion.created) == ("id", "m", 7)
    assert (completion.reason, completion.usage) == ("stop", USAGE)


def test_arguments_of_two_calls_may_come_by_turns() -> None:
    events: list[Event] = [
        Started(),
        ToolCallStarted(0, "a", "one"),
        ToolCallStarted(1, "b", "two"),
        ToolCallDelta(0, '{"x"'),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(0, ":1}"),
        Finished("tool_calls"),
    ]

    assert fold(events).tool_calls == (ToolCall("a", "one", '{"x":1}'), ToolCall("b", "two", "{}"))


def test_call_without_arguments_has_an_empty_object() -> None:
    assert fold([ToolCallStarted(0, "a", "one")]).tool_calls == (ToolCall("a", "one", "{}"),)


def test_reply_that_does_not_say_has_no_usage() -> None:
    assert fold([Started(), Finished("length")]).usage == NO_USAGE


def test_what_failed_cannot_be_folded() -> None:
    with pytest.raises(ValueError, match="failed"):
        fold([Started(), Failed("no")])


@given(PARTS)
def test_fold_is_the_inverse_of_unfold(parts: list[Text]) -> None:
    completion = Completion("id", "m", 7, tuple(parts), (Citation("https://e.com", "E"),), "stop", USAGE, "END")

    assert fold(unfold(completion)) == completion


def test_views_show_what_is_of_their_kind() -> None:
    completion = fold([ReasoningDelta("hm"), TextDelta("a"), RefusalDelta("no"), TextDelta("b")])

    assert (completion.text, completion.reasoning, completion.refusal) == ("ab", "hm", "no")


def test_merge_joins_neighbours_of_one_kind_only() -> None:
    events: list[Event] = [
        TextDelta("a"),
        TextDelta("b"),
        ReasoningDelta("x"),
        TextDelta("c"),
        ToolCallDelta(0, "{"),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(1, " "),
    ]

    assert merge(events) == [
        TextDelta("ab"),
        ReasoningDelta("x"),
        TextDelta("c"),
        ToolCallDelta(0, "{"),
        ToolCallDelta(1, "{} "),
    ]
