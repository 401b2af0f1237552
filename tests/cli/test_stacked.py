"""A table on a narrow terminal."""

from cli.stacked import stack

COLUMNS = ["id", "name", "calls", "tags", "note"]
ROWS = [
    ["1", "ann", "7", "-", "all is well"],
    ["2", "a name of many words for one client", "12345", "a, b", "-"],
]


def stacked(width: int) -> list[str]:
    return list(stack(COLUMNS, ROWS, width, below=[4, 3], folds=1, right=(2,)))


def test_no_column_goes_below_that_has_room() -> None:
    assert stacked(70) == [
        "id  name                                 calls  tags  note",
        "─" * 65,
        "1   ann                                      7  -     all is well",
        "2   a name of many words for one client  12345  a, b  -",
    ]


def test_columns_go_below_one_after_the_other_as_room_shrinks() -> None:
    assert stacked(54) == [
        "id  name                                 calls  tags",
        "─" * 52,
        "1   ann                                      7  -",
        "  note: all is well",
        "2   a name of many words for one client  12345  a, b",
    ]
    assert stacked(30) == [
        "id  name                 calls",
        "─" * 30,
        "1   ann                      7",
        "  note: all is well",
        "2   a name of many       12345",
        "    words for one",
        "    client",
        "  tags: a, b",
    ]


def test_what_is_below_shares_a_line_where_it_fits_and_is_wrapped_where_it_is_long() -> None:
    rows = [["1", "b c", "d"], ["2", "e f g h i j k l m n", "-"]]

    lines = list(stack(["id", "one", "two"], rows, 20, below=[2, 1]))
    narrow = list(stack(["id", "one", "two"], rows, 16, below=[2, 1]))

    assert lines[2:] == ["1", "  one: b c  two: d", "2", "  one: e f g h i j k", "    l m n"]
    assert narrow[2:] == ["1", "  one: b c", "  two: d", "2", "  one: e f g h i", "    j k l m n"]


def test_long_word_runs_on_where_it_may_not_be_broken() -> None:
    name = "auth_error/openrouter/meta-llama/llama-4-maverick/401"

    lines = list(stack(["count", "alert", "message"], [["1", name, name]], 30, below=[2]))

    assert lines == ["count  alert", "─" * 30, f"1      {name}", "  message:", f"    {name}"]


def test_wide_characters_take_two_columns() -> None:
    lines = list(stack(["name", "calls", "note"], [["日本", "1", "x" * 9], ["abcd", "2", "-"]], 12, below=[2]))

    assert lines == ["name  calls", "─" * 11, "日本  1", "  note:", f"    {'x' * 9}", "abcd  2"]
