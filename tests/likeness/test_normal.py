"""What a canonical form leaves out, and what it leaves alone."""

import pytest

from app.likeness.normal import LONGEST, normalise


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("What's  the capital of\nCanada?", "what is the capital of canada"),
        ("I don't know, I can't see", "i do not know i can not see"),
        ("Hi, could you please tell me how I reset my password? Thanks a lot!", "how to reset my password"),
        ("I'd like to know what the boiling point of ethanol is.", "what is the boiling point of ethanol"),
        ("How can I boil an egg?", "how to boil an egg"),
        ("What is the way to boil an egg", "how to boil an egg"),
        ("In Python, how do I reverse a list?", "how to reverse a list in python"),
        ("I want to clear the cache. How do I do that?", "how to clear the cache"),
        ("What does entropy mean?", "what is the meaning of entropy"),
        ("the colour of the theatre", "the color of the theater"),
        ("to organise, analyse and exercise", "to organize analyze and exercise"),
        ("HOW DO I UNSUBSCRIBE?", "how to unsubscribe"),
        ("twenty-five of 1,000 and one hundred and two", "25 of 1000 and 100 and 2"),
        ("two million five hundred eggs", "2000500 eggs"),
        ("the 2nd, the 19th, the 21st", "the second the nineteenth the 21st"),
        ("World War II and Type I", "world war 2 and type 1"),
        ("$50 or €20 or 20%", "50 dollars or 20 euros or 20 percent"),
        ("16GB, 5 km and 120 km/h", "16 gigabytes 5 kilometers and 120 kilometers per hour"),
        ("at 7pm or 7 p.m.", "at 7 pm or 7 pm"),
        ("“smart” quotes’", '"smart" quotes \''),
        ("ﬁne 10²", "fine 10^2"),
    ],
)
def test_is_written_in_one_way(text: str, canonical: str) -> None:
    assert normalise(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "`git reset  --Hard`",
        '"Two  Colours, please"',
        "/etc/Hosts",
        "getUserName()",
        "MAX_RETRIES",
        "numpy==1.26",
        "https://Example.com/A?b=1",
        "3f2a9c1",
        "```python\nif  Colour:\n    return 'Two'\n```",
        "a@B.example",
        "C++",
        "2024-03-01",
    ],
)
def test_code_identifiers_and_quotations_stay_as_they_are(text: str) -> None:
    assert text in normalise(f"Please, what's {text} and why?")


@pytest.mark.parametrize("text", ["Hello world in C", "thank you note", "Can you swim in the sea", "Well water", "So"])
def test_what_only_looks_polite_stays(text: str) -> None:
    assert normalise(text) == text.lower().replace(" c", " C")


@pytest.mark.parametrize(("one", "other"), [("us", "US"), ("a turkey", "a Turkey"), ("what is c", "what is C")])
def test_capitals_stay_where_they_tell_words_apart(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_text_beyond_the_limit_is_only_stripped() -> None:
    text = f" What's {'x' * LONGEST} please? "

    assert normalise(text) == text.strip()
