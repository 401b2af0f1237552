"""What `--help` shows in a window of 80 columns."""

from collections.abc import Iterator

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.__main__ import app


def paths_of(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name in getattr(command, "list_commands", lambda _context: [])(None):
        yield from paths_of(command.get_command(None, name), (*path, name))  # type: ignore[attr-defined] # it lists some


PATHS = list(paths_of(get_command(app)))


def test_all_commands_are_found() -> None:
    assert {(), ("serve",), ("tokens", "modify"), ("models", "price", "set"), ("usage", "reprice")} <= set(PATHS)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_nothing_is_cut_off_in_a_narrow_window(path: tuple[str, ...]) -> None:
    help_text = CliRunner().invoke(app, [*path, "--help"], terminal_width=80, env={"TERMINAL_WIDTH": "80"}).output

    assert "Usage:" in help_text
    assert "\N{HORIZONTAL ELLIPSIS}" not in help_text
    assert max(map(len, help_text.splitlines())) <= 80
