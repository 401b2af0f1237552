"""Patterns of operators: searched for in a time that grows with the text alone."""

import pytest
from pydantic import ValidationError

from app.core.patterns import InvalidPattern, compile_pattern
from app.core.smart import Rule


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [("b+", "abbc", True), (r"(?i)ÜBER\d\b", "Kommt über7", True), ("^b", "ab", False), ("", "", True)],
)
def test_pattern_is_found_anywhere(pattern: str, text: str, *, is_found: bool) -> None:
    assert (compile_pattern(pattern).search(text) is not None) == is_found


def test_text_that_python_would_try_for_years_is_done_at_once() -> None:
    assert compile_pattern(r"^(\w+\s?)*$").search("word " * 5000 + "!") is None


@pytest.mark.parametrize("pattern", ["(", r"(a)\1", "(?=a)", "((a{100}){100}){100}"])
def test_pattern_that_cannot_be_searched_so_is_refused(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidPattern):
        compile_pattern(pattern)

    with pytest.raises(ValidationError, match="no regular expression that RE2 takes"):
        Rule(model="m", pattern=pattern)
    assert capfd.readouterr().err == ""
