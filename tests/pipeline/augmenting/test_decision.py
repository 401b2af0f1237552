"""What is read from the words of a designator: four decisions, and nothing else."""

import pytest

from app.core.web import Wanted
from app.pipeline.augmenting.decision import DIRECT, Decision, decide_always, read_decision, urls_in

TEXT = "What does https://Example.com/A?b=C (see also http://other.example/x_(y)) say of the Ulm Bridge?"
EXAMPLE, OTHER = "https://Example.com/A?b=C", "http://other.example/x_(y)"


@pytest.mark.parametrize(
    ("words", "decision"),
    [
        ("direct", DIRECT),
        ("DIRECT.", DIRECT),
        ("search: Ulm Bridge HEIGHT", Decision("Ulm Bridge HEIGHT")),
        ("SEARCH:Ulm", Decision("Ulm")),
        ("search+scrape: Ulm: its Bridge", Decision("Ulm: its Bridge", follow=True)),
        ("Search + Scrape : Ulm", Decision("Ulm", follow=True)),
        (f"scrape: {EXAMPLE}", Decision(pages=(Wanted(EXAMPLE, by_user=True),))),
        (
            f"scrape:{OTHER},https://third.example/Z",
            Decision(pages=(Wanted(OTHER, by_user=True), Wanted("https://third.example/Z"))),
        ),
    ],
)
def test_each_decision_is_read_with_its_capitals(words: str, decision: Decision) -> None:
    assert read_decision(words, TEXT) == decision


@pytest.mark.parametrize(
    "words",
    [
        '"search: Ulm"',
        "`search: Ulm`",
        "**search: Ulm**",
        "**search:** Ulm",
        "  search: Ulm\n",
        "```\nsearch: Ulm\n```",
        "```text\nsearch: Ulm\n```",
        "Decision: search: Ulm",
        "**Decision:** search: Ulm",
        "**Decision: search: Ulm**",
        "Decision: `search: Ulm`",
        "Answer: search: “Ulm”",
        'search: "Ulm"',
    ],
)
def test_marks_and_labels_around_a_decision_are_left_out(words: str) -> None:
    assert read_decision(words, TEXT) == Decision("Ulm")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "   ",
        "I think we should search: Ulm",
        "search: Ulm\n\nBecause it is recent.",
        "search: Ulm\nsearch: Bridge",
        "direct or search: Ulm",
        "direct: Ulm",
        "search",
        "search Ulm",
        "scrape:",
        "scrape: the page of the city",
        "scrape: file:///etc/passwd",
        "scrape: gopher://example.com/",
        "scrape: https://",
        "scrape+search: Ulm",
        "searching: Ulm",
        '{"decision": "search", "query": "Ulm"}',
        "Sure! Here is my decision:",
        "Hello! How can I help you today?",
        "\x00",
    ],
)
def test_all_else_is_no_decision(words: str) -> None:
    assert read_decision(words, TEXT) is None


@pytest.mark.parametrize(
    ("words", "follow"), [("search:", False), ('search: ""', False), ("search+scrape:", True), ("**search:**", False)]
)
def test_query_that_is_empty_is_the_message_itself(words: str, follow: bool) -> None:
    assert read_decision(words, "What\n is it?") == Decision("What is it?", follow=follow)


def test_marks_inside_a_query_stay() -> None:
    assert read_decision('search: "Ulm" or "Neu-Ulm"', TEXT) == Decision('"Ulm" or "Neu-Ulm"')


def test_pages_that_are_asked_for_are_of_the_web_and_there_once() -> None:
    decision = read_decision("scrape: javascript:x, https://a.example/1 https://a.example/1,ftp://b.example", TEXT)

    assert decision == Decision(pages=(Wanted("https://a.example/1"),))


def test_addresses_in_a_message_end_where_they_do() -> None:
    text = f"See {EXAMPLE}, ({OTHER}). And <https://c.example/>! Also 'https://d.example/q?x=1'… and {EXAMPLE}"

    assert urls_in(text) == [EXAMPLE, OTHER, "https://c.example/", "https://d.example/q?x=1"]


def test_brackets_of_an_address_stay_and_those_around_it_do_not() -> None:
    text = "(https://a.example/x_(y)) [https://b.example/[z]]. https://c.example/)]))) (https://d.example/((x)))..."

    assert urls_in(text) == [
        "https://a.example/x_(y)",
        "https://b.example/[z]",
        "https://c.example/",
        "https://d.example/((x))",
    ]


@pytest.mark.parametrize("tail", [".", ")", ".)]!"])
def test_address_with_millions_of_marks_behind_it_is_read_at_once(tail: str) -> None:
    assert urls_in(EXAMPLE + tail * 3_000_000) == [EXAMPLE]  # mark by mark, with a copy for each, it took an hour


def test_of_very_many_addresses_the_first_ones_are_read() -> None:
    text = " ".join(f"https://{number}.example/" for number in range(100_000))

    decision = decide_always(text)

    assert len(decision.query) <= 2000
    assert 100 < len(decision.pages) < 1000
    assert decision.pages[0] == Wanted("https://0.example/", by_user=True)


def test_always_is_a_search_for_the_message_with_the_pages_that_it_names() -> None:
    decision = decide_always(TEXT)

    assert decision.query == TEXT
    assert decision.pages == (Wanted(EXAMPLE, by_user=True), Wanted(OTHER, by_user=True))
    assert not decision.follow


def test_no_pages_are_read_where_none_may_be() -> None:
    assert read_decision("search+scrape: Ulm", TEXT) is not None
    assert Decision("Ulm", (Wanted(EXAMPLE),), follow=True).kept_to(0) == Decision("Ulm")
    assert len(decide_always(TEXT).kept_to(1).pages) == 1
