"""Cells that spreadsheets open."""

import pytest

from app.metering.spreadsheet import guard_cell


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_take_for_a_formula_gets_a_quote(text: str) -> None:
    assert guard_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "gpt-5", "1=1", "'=1", " =1"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert guard_cell(text) == text
