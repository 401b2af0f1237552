"""Cursors come back as they were given, and nothing else is one."""

import base64

import pytest

from app.core.cursors import InvalidCursor, read_cursor, write_cursor


def test_cursor_is_read_as_it_was_written() -> None:
    cursor = write_cursor("näme", -(2**63) + 1, "mon_1")

    assert read_cursor(cursor, str, int, str) == ["näme", -(2**63) + 1, "mon_1"]
    assert "=" not in cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"1": "x"}',
        '["1", "x"]',
        '[true, "x"]',
        '[1.0, "x"]',
        '[1e999, "x"]',
        f'[{10**30}, "x"]',
        f'[{2**63}, "x"]',
        r'[1, "\u0000"]',
        r'[1, "\ud800"]',
        '[1, "x", 2]',
        "[" * 5000,
    ],
)
def test_what_no_page_gave_is_refused(text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode()

    with pytest.raises(InvalidCursor, match="none that a page gave"):
        read_cursor(cursor, int, str)
