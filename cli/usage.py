"""`llm-relay usage`: what calls used, and what they cost."""

import csv
import shutil
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import on_database
from cli.output import counted, fail, show_json, show_table
from cli.period import MOST_DAYS, read_period
from cli.reprice import reprice

if TYPE_CHECKING:
    from app.metering.reports import Reports, Totals
    from app.store.selection import Selection

View = dict[str, Any]

BY = ("user", "model", "tag", "day", "provider", "token", "client", "name", "alias", "router", "cache", "surface")
WATCH_S = 2.0
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"  # what `clear` prints: home, and nothing on the screen nor above it
_SHORTEST_NAME = 15
_GAPS = 4  # of spaces on either side of a table, and three between columns

app = typer.Typer(help="What calls used, and what they cost.", add_completion=False)
app.command()(reprice)


@app.callback(invoke_without_command=True)
def usage(
    ctx: typer.Context,
    by: Annotated[str, typer.Option("--by", help=f"One of {', '.join(BY)}.")] = "model",
    since: Annotated[str, typer.Option("--since", help="A UTC day, or how many days with today, such as 7d.")] = "30d",
    until: Annotated[str | None, typer.Option("--until", help="The last UTC day; today where it is not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Lines with commas, for spreadsheets.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and show it anew every two seconds.")] = False,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")
    ] = None,
) -> None:
    """Show what calls used and what they cost, from the sums by day. A call counts once under each of its tags."""
    if ctx.invoked_subcommand is not None:
        return
    if by not in BY:
        fail(f"Usage cannot be divided by {by!r}; it can by {', '.join(BY)}.")
    if as_json + as_csv + watch > 1:
        fail("Say one of --json, --csv and --watch.")
    while True:
        views, totals, selection = _read(env_file, by, since, until)
        if as_json:
            show_json({"by": by, **_period(selection), "groups": views, "totals": totals})
        elif as_csv:
            _show_csv([*views])
        else:
            if watch and sys.stdout.isatty():
                typer.echo(_CLEAR, nl=False)
            _show(by, views, totals, selection)
        if not watch:
            return
        try:
            time.sleep(WATCH_S)
        except KeyboardInterrupt:
            return


def _read(env_file: Path | None, by: str, since: str, until: str | None) -> "tuple[list[View], View, Selection]":
    from app.metering.reports import Reports

    selection = _select(since, until)
    return (*on_database(env_file, lambda db: _views(Reports(db), by, selection)), selection)


async def _views(reports: "Reports", by: str, selection: "Selection") -> tuple[list[View], View]:
    if by == "day":
        days = await reports.by_day(selection)
        totals = await reports.summary(selection)
        return [{"key": day.isoformat()} | _view(each) for day, each in days], _view(totals)
    groups, totals = await reports.by(by, selection)
    return [{"key": group.key, **group.labels} | _view(group.totals) for group in groups], _view(totals)


def _select(since: str, until: str | None) -> "Selection":
    from app.metering.reports import select

    first, last = read_period(since, until).days
    if (last - first).days >= MOST_DAYS:
        fail(f"From {first} to {last} is over ten years long.")
    return select(start=first, end=last)


def _period(selection: "Selection") -> View:
    from app.metering.reports import day_of

    return {"start": day_of(selection.first_day).isoformat(), "end": day_of(selection.last_day).isoformat()}


def _view(totals: "Totals") -> View:
    """The keys are those of the JSON output."""
    from app.core.money import write_usd

    return {
        "calls": totals.calls,
        "helper_calls": totals.helper_calls,
        "errors": totals.errors,
        "cache_hits": totals.cache_hits,
        "prompt_tokens": totals.prompt_tokens,
        "completion_tokens": totals.completion_tokens,
        "total_tokens": totals.total_tokens,
        "cost": None if totals.known_cost is None else write_usd(totals.known_cost),
        "unpriced": totals.unpriced,
        "estimated": totals.estimated,
        "average_ms": totals.average_ms,
    }


def _show_csv(views: list[View]) -> None:
    from app.metering.spreadsheet import guard_cell

    if views:
        writer = csv.DictWriter(sys.stdout, fieldnames=list(views[0]), extrasaction="ignore", restval="")
        writer.writeheader()
        writer.writerows(
            {name: guard_cell(value) if isinstance(value, str) else value for name, value in view.items()}
            for view in views
        )


def _show(by: str, views: list[View], totals: View, selection: "Selection") -> None:
    period = _period(selection)
    typer.echo(f"{period['start']} to {period['end']}, UTC days")
    if not views:
        typer.echo("No calls.")
        return
    columns = [by, "calls", "errors", "in", "out", "USD", "ms"]
    places = _places([Decimal(view["cost"]) for view in (*views, totals) if view["cost"] is not None])
    numbers = [_numbers(view, places) for view in (*views, totals)]
    longest = _room([columns[1:], *numbers]) if sys.stdout.isatty() else 1000
    names = [*(_name(view, longest) for view in views), "all"]
    rows = [[name, *cells] for name, cells in zip(names, numbers, strict=True)]
    show_table(columns, rows, right=range(1, len(columns)), total=True)
    if totals["unpriced"] and totals["cost"] is not None:
        typer.echo(f"~ lacks the cost of {counted(totals['unpriced'], 'call')} for which no price is known.")
    if any(view["cost"] is None for view in views):
        typer.echo("? is where no price is known for any of the calls.")
    if by == "tag":
        typer.echo("A call counts once under each of its tags, and once in all.")


def _numbers(view: View, places: int) -> list[str]:
    return [
        f"{view['calls']:,}",
        f"{view['errors']:,}" if view["errors"] else "-",
        _short(view["prompt_tokens"]),
        _short(view["completion_tokens"]),
        _cost(view, places),
        "-" if view["average_ms"] is None else f"{view['average_ms']:,.0f}",
    ]


def _room(lines: list[list[str]]) -> int:
    """What a window has left for names beside these columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return max(_SHORTEST_NAME, shutil.get_terminal_size().columns - sum(widths) - 3 * len(widths) - _GAPS)


def _name(view: View, longest: int) -> str:
    """As long as the window has room for, with the end that tells one from another."""
    key = "".join(character if character.isprintable() else "?" for character in view["key"]) or "(none)"
    label = view.get("hostname") or view.get("username")
    name = f"{key} {label}" if label else key
    head = longest // 2
    return name if len(name) <= longest else f"{name[: head - 1]}…{name[head - longest :]}"


def _short(count: int) -> str:
    for limit, unit in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= limit:
            return f"{count / (1000 if unit == 'k' else limit):,.1f}{unit}"
    return f"{count:,}"


def _places(costs: list[Decimal]) -> int:
    """Decimals for a whole column, so that its points stand below each other: of its largest amount four digits, and cents at least."""
    most = max(map(abs, costs), default=Decimal(0))
    return 2 if most == 0 else min(12, max(2, 3 - most.adjusted()))


def _cost(view: View, places: int) -> str:
    if view["cost"] is None:
        return "?"
    return f"{'~' if view['unpriced'] else ''}{_money(Decimal(view['cost']), places)}"


def _money(cost: Decimal, places: int) -> str:
    least = Decimal(1).scaleb(-places)
    return f"<{least}" if 0 < cost < least / 2 else f"{cost:,.{places}f}"
