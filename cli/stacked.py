"""A table on a terminal that is too narrow for it: some columns are told under their row."""

import textwrap
from collections.abc import Container, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len

_GAP = "  "
_NOTHING = "-"
_LEAST_FOLDED = 8


def stack(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    below: Sequence[int],
    folds: int | None = None,
    right: Container[int] = (),
) -> Iterator[str]:
    """The lines of a table that is as wide as the terminal at most.

    A word that is longer than its line runs on: so it can still be copied.

    Args:
        below: the columns that may go under their row, the first one first; as many as must.
        folds: the column whose cells may be broken; others go under the row rather than that it has less than half the width.
        right: which columns are numbers.
    """
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    beside = _beside(widths, width, below, folds)
    if folds in beside:
        room = width - sum(widths[index] + len(_GAP) for index in beside if index != folds)
        widths[folds] = min(widths[folds], max(room, _LEAST_FOLDED))
    under = [index for index in range(len(columns)) if index not in beside]
    yield from _lines(columns, widths, beside, folds, right)
    yield "─" * min(width, _total(widths, beside))
    for row in rows:
        yield from _lines(row, widths, beside, folds, right)
        yield from _details([f"{columns[index]}: {row[index]}" for index in under if row[index] != _NOTHING], width)


def _beside(widths: Sequence[int], width: int, below: Sequence[int], folds: int | None) -> list[int]:
    least = [min(each, width // 2) if index == folds else each for index, each in enumerate(widths)]
    beside = list(range(len(widths)))
    for index in below:
        if _total(least, beside) <= width:
            break
        beside.remove(index)
    return beside


def _total(widths: Sequence[int], beside: Sequence[int]) -> int:
    return sum(widths[index] for index in beside) + len(_GAP) * (len(beside) - 1)


def _lines(
    cells: Sequence[str], widths: Sequence[int], beside: Sequence[int], folds: int | None, right: Container[int]
) -> Iterator[str]:
    """A row, which has several lines where its cell is folded."""
    parts = [textwrap.wrap(cells[index], widths[index]) if index == folds else [cells[index]] for index in beside]
    for line in zip_longest(*parts, fillvalue=""):
        padded = (_pad(cell, widths[index], index in right) for index, cell in zip(beside, line, strict=True))
        yield _GAP.join(padded).rstrip()


def _pad(cell: str, width: int, right: bool) -> str:
    blanks = " " * (width - cell_len(cell))
    return blanks + cell if right else cell + blanks


def _details(details: Sequence[str], width: int) -> Iterator[str]:
    """As many in a line as there is room for."""
    lines: list[str] = []
    for detail in details:
        if lines and cell_len(_GAP + lines[-1] + _GAP + detail) <= width:
            lines[-1] += _GAP + detail
        else:
            lines.append(detail)
    for line in lines:
        yield from textwrap.wrap(
            line,
            width,
            initial_indent=_GAP,
            subsequent_indent=2 * _GAP,
            break_long_words=False,
            break_on_hyphens=False,
        )
