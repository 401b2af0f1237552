"""How commands speak: a table on a terminal, aligned text into a pipe, one JSON document where asked."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import typer

from app.core.jsonio import Json

_UNBOUNDED = 10_000


def show_json(document: Json) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their titles."""
    if _is_terminal():
        _show_rich_table(columns, rows)
        return
    lines = [columns, *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def show_fields(fields: Mapping[str, str]) -> None:
    """Names and values, one a line."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        typer.echo(f"{name:<{width}}  {value}".rstrip())


def fail(message: str) -> NoReturn:
    """Say on standard error why a command cannot do what it should, and end with status 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _show_rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for title in columns:
        table.add_column(title, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # In a narrow window a line that runs on can still be read and copied; a word broken over three lines cannot.
    natural = Console(width=_UNBOUNDED).measure(table).maximum
    Console(width=max(Console().width, natural)).print(table)
