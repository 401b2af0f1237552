"""Reasoning in tags at the beginning of an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.events import Event, ReasoningDelta, TextDelta, merge
from app.dialects.think_tag import ThinkTag


def read(pieces: list[str]) -> list[Event]:
    tag = ThinkTag()
    events: list[Event] = []
    for piece in pieces:
        events += [TextDelta(piece)] if tag.over else tag.feed(piece)
    return merge(events + tag.close())


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("<think>Hm.</think>Hi", [ReasoningDelta("Hm."), TextDelta("Hi")]),
        ("\n <think>\nHm.\n\nYes. \n</think>\n\nHi ", [ReasoningDelta("Hm.\n\nYes."), TextDelta("Hi ")]),
        ("<think>\n\n</think>\n\nHi", [TextDelta("Hi")]),
        ("<think></think>", []),
        ("<think>a < b </thin </think>Hi", [ReasoningDelta("a < b </thin"), TextDelta("Hi")]),
        ("<think>Hm.</think>Hi <think>no</think>", [ReasoningDelta("Hm."), TextDelta("Hi <think>no</think>")]),
        ("<think>cut off in the mid", [ReasoningDelta("cut off in the mid")]),
        ("<think>cut off </thi", [ReasoningDelta("cut off"), ReasoningDelta(" </thi")]),
        ("Hi <think>no</think>", [TextDelta("Hi <think>no</think>")]),
        ("<thinking>no</thinking>", [TextDelta("<thinking>no</thinking>")]),
        ("<thi", [TextDelta("<thi")]),
        ("<", [TextDelta("<")]),
        ("  ", [TextDelta("  ")]),
        ("", []),
    ],
)
def test_only_the_tag_at_the_beginning_is_reasoning(text: str, events: list[Event]) -> None:
    assert read([text]) == merge(events)
    assert read(list(text)) == merge(events)


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "</", " ", "\n", "a", "<t"]), max_size=12),
    st.data(),
)
def test_pieces_make_no_difference(parts: list[str], data: st.DataObject) -> None:
    text = "".join(parts)
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))

    pieces = [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]

    assert read(pieces) == read([text])


def test_text_is_told_as_soon_as_it_is_certain() -> None:
    tag = ThinkTag()

    assert tag.feed("H") == [TextDelta("H")]
    assert tag.over
