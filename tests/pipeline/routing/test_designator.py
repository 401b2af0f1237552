"""The designator's contract: what it is told, and which answers count."""

from decimal import Decimal
from typing import Any

import pytest

from app.core.abilities import UNKNOWN, Abilities, Known, Rules
from app.core.chat import Message, Reasoning, Text
from app.core.events import AnswerPart, Completion
from app.core.smart import Candidate, Router
from app.core.usage import NO_USAGE
from app.pipeline.routing.candidates import Seen
from app.pipeline.routing.designator import Offer, preview, read_choice, write_question
from app.pipeline.routing.question import Question, ask_of
from tests.pipeline.routing.questions import asked
from tests.smart import make_smart

MODELS = ["acme/gpt-4", "acme/gpt-4-mini", "other/gpt-4-mini", "small"]


def answer(*parts: AnswerPart) -> Completion:
    return Completion(None, None, None, parts, (), "stop", NO_USAGE)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("acme/gpt-4", "acme/gpt-4"),
        (" ACME/GPT-4-mini\n", "acme/gpt-4-mini"),
        ('{"model": "small"}', "small"),
        ('"small"', "small"),
        ('```json\n{"model": "acme/gpt-4-mini"}\n```', "acme/gpt-4-mini"),
        ("I choose **acme/gpt-4-mini**.", "acme/gpt-4-mini"),
        ("The best is acme/gpt-4, as acme/gpt-4 is good.", "acme/gpt-4"),
        ("gpt-4", "acme/gpt-4"),
        ("gpt-4-mini", None),
        ("acme/gpt-4 or acme/gpt-4-mini", None),
        ("acme/gpt-4-turbo", None),
        ("acme/gpt-4.1", None),
        ("The smaller one", None),
        ('{"model": "acme/none"}', None),
        ('{"model": ["small"]}', "small"),
        ("", None),
        ("gpt", None),
    ],
)
def test_answer_is_read_as_one_of_the_candidates_or_as_none(text: str, choice: str | None) -> None:
    assert read_choice(answer(Text(text)), MODELS) == choice


def test_answer_that_is_all_thought_is_read_there() -> None:
    assert read_choice(answer(Reasoning("It is small.")), MODELS) == "small"
    assert read_choice(answer(Reasoning("It is small."), Text("acme/gpt-4")), MODELS) == "acme/gpt-4"


def router(**fields: Any) -> Router:
    made = make_smart("router", "auto", **fields)
    assert isinstance(made, Router)
    return made


def told(question: Question, *offers: Offer, designator: Known = UNKNOWN, plain: bool = False) -> Any:
    return write_question(router(), offers or (Offer(seen("a")), Offer(seen("b"))), question, designator, plain=plain)


def seen(model: str, notes: str | None = None, known: Known = UNKNOWN) -> Seen:
    return Seen(Candidate(model=model, notes=notes), None, known)


def words_of(request: Any) -> str:
    ((message),) = request.messages
    assert isinstance(message, Message)
    (part,) = message.parts
    assert isinstance(part, Text)
    return part.text


def test_candidate_is_told_with_all_that_is_known_of_it() -> None:
    known = Known(Abilities(128000, ("completion", "tools")), description="A model\nof  theirs. " + "x" * 400)
    offers = Offer(seen("a", "n" * 400, known), Decimal("0.150"), Decimal("10.00")), Offer(seen("b"))

    words = words_of(told(asked("Hi"), *offers))

    line = next(line for line in words.splitlines() if line.startswith("- a:"))
    assert line.startswith(
        "- a: context: 128000 tokens; capabilities: completion, tools; price per million tokens: $0.15 in, $10 out; notes: nnn"
    )
    assert f"notes: {'n' * 299}…; description: A model of theirs. xxx" in line
    assert "- b: capabilities: general\n" in words


def test_request_is_told_by_its_numbers() -> None:
    words = words_of(told(asked("One", "Two", tools=True)))

    assert "- messages: 2\n- tokens: about 0\n- images: no\n- tools: yes\n" in words
    assert "\nOne\n\nTwo\n" in words


def test_answer_is_held_to_the_candidates_where_the_designator_has_schemas() -> None:
    request = told(asked("Hi"))

    assert request.response_format.schema["properties"]["model"]["enum"] == ["a", "b"]
    assert (request.temperature, request.max_tokens, request.reasoning) == (0, 100, None)
    assert told(asked("Hi"), plain=True).response_format is None


def test_designator_is_not_told_what_it_does_not_take() -> None:
    bare = Known(rules=Rules(unsupported=("temperature", "response_format")))

    request = told(asked("Hi"), designator=bare)

    assert (request.temperature, request.response_format) == (None, None)


def test_designator_that_thinks_has_room_for_it_and_is_to_think_little() -> None:
    request = told(asked("Hi"), designator=Known(Abilities(capabilities=("completion", "reasoning"))))

    assert (request.max_tokens, request.reasoning.effort) == (2000, "low")


def test_preview_has_the_beginning_and_the_end_of_what_is_long() -> None:
    assert preview(["a" * 1000]) == "a" * 1000
    assert preview(["a" * 600, "b" * 600]) == f"{'a' * 500}\n[…]\n{'b' * 500}"


def test_no_two_questions_have_the_same_mark() -> None:
    question = ask_of(asked("Hi").request)  # type: ignore[arg-type] # it is one

    assert words_of(told(question)) != words_of(told(question))
