"""What holds of any two texts."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.likeness.normal import LONGEST, normalise
from app.likeness.timely import time_sensitive
from app.likeness.verifier import differences

# Texts of words that the rules know, so that the rules meet each other, among any other characters.
WORDS = st.sampled_from(
    [
        "how",
        "what",
        "which",
        "who",
        "when",
        "is",
        "are",
        "do",
        "does",
        "did",
        "i",
        "we",
        "you",
        "me",
        "my",
        "please",
        "could",
        "would",
        "tell",
        "explain",
        "the",
        "a",
        "an",
        "to",
        "from",
        "in",
        "on",
        "or",
        "and",
        "not",
        "don't",
        "what's",
        "Iceland's",
        "hi,",
        "thanks!",
        "thanks.",
        "how?",
        "in,",
        "if",
        "when",
        "compare",
        "between",
        "hundred",
        "two",
        "twenty",
        "one",
        "million",
        "5",
        "5km",
        "$50",
        "20%",
        "3-day",
        "World",
        "War",
        "II",
        "US",
        "us",
        "define",
        "mean",
        "of",
        "'s",
        "'",
        '"',
        "`",
        "```",
        "\n",
        "\t",
        ".",
        ",",
        "?",
        ";",
        "1st",
        "22nd",
        "colour",
        "organise",
        "get",
        "rid",
        "of",
        "whether",
        "there",
        "stand",
        "for",
        "united",
        "states",
        "really",
        "(",
        ")",
        "--",
        "e-mail",
        "and/or",
        "u.s.",
        "p.m.",
        "7",
        "10²",
        "½",
        "can't",
    ]
)
TEXTS = st.lists(WORDS | st.text(max_size=6), max_size=14).map(" ".join) | st.text(max_size=60)
MANY = settings(max_examples=150, deadline=None)


@MANY
@given(TEXTS)
def test_text_agrees_with_itself_and_with_its_canonical_form(text: str) -> None:
    assert differences(text, text) == ()
    assert differences(text, normalise(text)) == ()


@MANY
@given(TEXTS)
def test_canonical_form_is_its_own(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@MANY
@given(TEXTS)
def test_something_is_never_made_nothing(text: str) -> None:
    assert bool(normalise(text)) == bool(text.strip())


@MANY
@given(TEXTS, TEXTS)
def test_judgement_does_not_depend_on_which_was_asked_first(one: str, other: str) -> None:
    assert bool(differences(one, other)) == bool(differences(other, one))


@MANY
@given(TEXTS, st.sampled_from(string.digits), st.data())
def test_one_other_digit_is_always_a_difference(text: str, digit: str, data: st.DataObject) -> None:
    text = f"{text} {data.draw(st.sampled_from(['4 eggs', 'v2.0.1', '30 June 1990', 'x86', '$75', '15%', '1,200']))}"
    places = [at for at, letter in enumerate(text) if letter in string.digits and letter != digit]
    at = data.draw(st.sampled_from(places)) if places else None
    if at is None:
        return

    assert differences(text, text[:at] + digit + text[at + 1 :])


@MANY
@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    normalise(text)
    time_sensitive(text)
    differences(text, "How do I boil 2 eggs?")


@pytest.mark.parametrize(
    "piece", ["word ", "'", '"', "`", "(", "a-", "in , ", "not or ", "one hundred ", "1,", "\n  x", "hi, "]
)
def test_long_text_is_never_looked_into(piece: str) -> None:
    long = (piece * 50_000).strip()

    assert normalise(long) == long.strip()
    assert differences(long, long) == ()
    assert len(long) > LONGEST
    assert differences(long, f"{long}2")
