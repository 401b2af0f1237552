"""How a command that takes a while shows that it goes on: on standard error, and on a terminal only."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import typer

SILENT_S = 1.0
"""What is done sooner shows nothing."""

Report = Callable[[str, int, int], None]


@contextlib.contextmanager
def spinning(words: str) -> Iterator[None]:
    """Shows on a terminal that something goes on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(words):
        yield


@contextlib.contextmanager
def reporting(*, lines: bool = False) -> Iterator[Report]:
    """Takes what is worked on, how much of it is done, and all of it; shows it when that goes on for a while.

    Args:
        lines: where there is no terminal it is told in lines; else it is not told there, and a crontab sends no mail.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), auto_refresh=False)
    tasks: dict[str, TaskID] = {}
    begun = time.monotonic()

    def report(subject: str, done: int, total: int) -> None:
        if subject not in tasks:
            tasks[subject] = progress.add_task(subject, total=total)
        progress.update(tasks[subject], completed=done)
        if time.monotonic() - begun < SILENT_S:
            return
        if progress.console.is_terminal:
            progress.start()
            progress.refresh()
        elif lines:
            typer.echo(f"{subject}: {done:,} of {total:,}", err=True)

    try:
        yield report
    finally:
        if progress.live.is_started:  # else Rich would end nothing with an empty line
            progress.stop()


@contextlib.contextmanager
def progress(words: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Takes how much more of one thing is done, of `total` where that is known."""
    done = 0
    with reporting() as report:

        def advance(more: int) -> None:
            nonlocal done
            done += more
            report(words, done, total or done)

        yield advance
