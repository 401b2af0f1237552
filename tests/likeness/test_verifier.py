"""The reasons why two texts must not share an answer."""

import pytest

from app.likeness.oppositions import OPPOSED
from app.likeness.synonyms import CANONICAL
from app.likeness.verifier import differences


@pytest.mark.parametrize(
    ("asked", "stored", "reason"),
    [
        ("Plan a three day trip", "Plan a five day trip", "number: 3 / 5"),
        ("Is 5 km far?", "Is 5 miles far?", "unit: kilometers / miles"),
        ("Is €5 much?", "Is £5 much?", "currency: euros / gbp"),
        ("Open in May?", "Open in March?", "date: may / march"),
        ("Can I eat it?", "Can I not eat it?", "negation: – / not"),
        ("Is it legal?", "Is it illegal?", "negation: legal / illegal"),
        ("How do I import mail?", "How do I export mail?", "antonym: import / export"),
        ("How do I convert USD to EUR?", "How do I convert EUR to USD?", "order: how to convert usd to eur / how to convert eur to usd"),
        ("Who founded the firm Apple?", "Who founded the firm Intel?", "entity: apple / intel"),
        ("What is `a`?", "What is `b`?", "identifier: `a` / `b`"),
        ("Who should I call?", "Why should I call?", "question word: who / why"),
        ("When does it end?", "When did it end?", "tense: – / did"),
        ("Can I park here?", "Must I park here?", "modality: can / must"),
        ("Show at least 3", "Show at most 3", "comparative: least / most"),
        ("Where is the station?", "Où est la gare ?", "language: English / French"),
        ("How do I call getUserName?", "How do I call getUsername?", "case: getUserName / getUsername"),
        ("What does US mean?", "What does us mean?", "case: US / us"),
        ("x" * 2000, "x" * 2001, "length: too long to be judged"),
    ],
)  # fmt: skip
def test_reason_says_what_differs(asked: str, stored: str, reason: str) -> None:
    assert reason in differences(asked, stored)


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("Write a letter", "Write a letter to me"),
        ("Is there life on Mars?", "Is life on Mars?"),
        ("Was it good and is it bad?", "Is it good and was it bad?"),
        ("How do I remove a user from a group?", "How do I delete a user from a group?"),
        ("What is c?", "What is C?"),
        ("What is 10²?", "What is 102?"),
        ("What is 1½ of it?", "What is 11/2 of it?"),
        ("2 * (3 + 4)", "(2 * 3) + 4"),
        ("He's smart", "His smart"),
        ("if x:\n    a()\n    b()", "if x:\n    a()\nb()"),
        ("return Foo(x)", "return foo(x)"),
        ("Do not all birds fly?", "Do all birds not fly?"),
        ("How do you ship to Canada?", "How do I ship to Canada?"),
        ("How should I vote?", "How do I vote?"),
        ("Can I eat raw fish or meat?", "Can I eat raw meat or fish?"),
        ("Can I eat fish or meat pie?", "Can I eat meat or fish pie?"),
        ("What is a synonym of big?", "What is a synonym of large?"),
        ("Is colour spelled so?", "Is color spelled so?"),
        ("Is 10 m much?", "Is 10 meters much?"),
        ("the second hand of a clock", "the used of a clock"),
        ("Stop. Do not shoot", "Do not stop. Shoot"),
    ],
)
def test_small_words_and_marks_that_turn_the_sense_are_seen(asked: str, stored: str) -> None:
    assert differences(asked, stored)


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("What's Iceland's population?", "What is the population of Iceland?"),
        ("How does a pump work?", "Please explain how a pump works."),
        ("Why isn't my CSS loading?", "Why is my CSS not loading?"),
        ("Compare A1 and B2", "Compare B2 and A1"),
        ("What is the difference between tea and mate?", "What is the difference between mate and tea?"),
        ("Should I buy or rent?", "Should I rent or buy?"),
        ("How far is it to Milan from Rome?", "How far is it from Rome to Milan?"),
        ("If it rains, what should I do?", "What should I do if it rains?"),
        ("who painted the mona lisa", "Who painted the Mona Lisa?"),
        ("What is the biggest lake?", "What is the largest lake?"),
    ],
)
def test_no_reason_is_found_where_the_same_is_said(asked: str, stored: str) -> None:
    assert differences(asked, stored) == ()


def test_no_synonyms_are_opposites() -> None:
    for pair in OPPOSED:
        one, other = sorted(pair)

        assert CANONICAL.get(one, one) != CANONICAL.get(other, other), pair
