"""How commands speak: a table on a terminal, aligned text into a pipe, one JSON document where asked."""

import json
import shutil
import sys
import textwrap
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import typer

from app.core.jsonio import Json

if TYPE_CHECKING:
    from rich.table import Table

_UNBOUNDED = 10_000
_GAP = "  "


def show_json(document: Json) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def show_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Container[int] = (),
    total: bool = False,
    below: Sequence[int] = (),
    folds: int | None = None,
) -> None:
    """Rows under their titles.

    Args:
        right: which columns, counted from 0, are numbers.
        total: the last row is the sum of the others.
        below: columns that may go under their row on a terminal that is too narrow for all, the first one first.
        folds: the column whose cells may be broken there.
    """
    if _is_terminal():
        _show_on_terminal(columns, rows, right, total=total, below=below, folds=folds)
        return
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        cells = [
            f"{cell:>{width}}" if index in right else f"{cell:<{width}}"
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        typer.echo(_GAP.join(cells).rstrip())


def show_fields(fields: Mapping[str, str | Sequence[str]]) -> None:
    """Names and values, one a line; on a terminal what is too long for that goes on below, and so does each of several values."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        parts = [value] if isinstance(value, str) else value
        if not _is_terminal():
            parts = ["; ".join(parts)]
        for number, part in enumerate(parts or [""]):
            show_line(f"{'' if number else name:<{width}}  {part}".rstrip(), width + len(_GAP))


def show_line(line: str, indent: int) -> None:
    """A line; on a terminal that is too narrow for it, it goes on below, that far to the right. No word is broken."""
    room = shutil.get_terminal_size().columns
    if not _is_terminal() or len(line) <= room:
        typer.echo(line)
        return
    begun = len(line) - len(line.lstrip())
    lines = textwrap.wrap(
        line.lstrip(),
        room,
        initial_indent=line[:begun],
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    typer.echo("\n".join(lines))


def counted(number: int, noun: str) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def to_the_second(moment: str) -> str:
    """A time of JSON's, for people: `2026-11-22 09:30:00`."""
    return moment[:19].replace("T", " ")


def printable(text: str) -> str:
    """Without what somebody's text could tell a terminal to do."""
    return "".join(character if character.isprintable() else "?" for character in text)


def fail(message: str) -> NoReturn:
    """Say on standard error why a command cannot do what it should, and end with status 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _show_on_terminal(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Container[int],
    *,
    total: bool,
    below: Sequence[int],
    folds: int | None,
) -> None:
    from rich.console import Console

    table = _rich_table(columns, rows, right, total=total)
    natural, width = Console(width=_UNBOUNDED).measure(table).maximum, Console().width
    if below and natural > width:
        from cli.stacked import stack

        title, *lines = stack(columns, rows, width, below=below, folds=folds, right=right)
        typer.secho(title, bold=True)
        typer.echo("\n".join(lines))
        return
    # In a narrow window a line that runs on can still be read and copied; a word broken over three lines cannot.
    Console(width=max(width, natural)).print(table)


def _rich_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int], *, total: bool
) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for index, title in enumerate(columns):
        table.add_column(title, no_wrap=True, justify="right" if index in right else "left")
    for number, row in enumerate(rows, 1):
        if total and number == len(rows):
            table.add_section()
        table.add_row(*(Text(cell) for cell in row))
    return table
