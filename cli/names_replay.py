"""`llm-relay names replay`: what a router would have chosen, and what that would have cost."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Directory, Refused, on_directory
from cli.names_desk import desk_of
from cli.output import show_fields, show_json, show_table
from cli.period import SINCE_HELP, UNTIL_HELP, read_period

if TYPE_CHECKING:
    from app.settings import Settings
    from app.smart.replay import Replay, Tally

_EPOCH_DAY = 719_163  # of 1970-01-01, as `date.toordinal` counts


def replay(
    router: Annotated[str, typer.Argument(metavar="ROUTER", help="A router's name.")],
    since: Annotated[str | None, typer.Option(help=SINCE_HELP)] = None,
    until: Annotated[str | None, typer.Option(help=UNTIL_HELP)] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help='JSON lines in place of the log: {"prompt": TEXT or "messages": LIST, "model": "provider/model"}.',
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Calls for this name, in place of those that came through the router.")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask the designator, which costs what it costs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
) -> None:
    """Decide about past calls anew: what a router would choose now, how many go elsewhere, and the cost before and after.

    What calls asked is kept for tokens with --log-bodies alone. Of others only the number of tokens is known, by which
    `cheapest`, and rules of tokens and times, can decide; how many could not be told is said. All are taken to use as many
    tokens as they did. Breakers count as closed, and every conversation as new.
    """
    if (since is None) == (file is None):
        raise typer.BadParameter("give either --since or --file")
    period = None if since is None else read_period(since, until)

    async def work(directory: Directory) -> "Tally":
        from app.api.surfaces import dialects_of_surfaces
        from app.desks.replay import ReplayDesk
        from app.smart.desk import NoSuchName
        from app.store.selection import Selection

        await directory.prices.load()
        await directory.prices.refresh()
        key = partial(_bodies_key, directory.settings)
        desk = ReplayDesk(
            directory.db, desk_of(directory), directory.registry, directory.prices, dialects_of_surfaces(), key
        )
        try:
            if period is None:
                return await _replay_file(directory, await desk.open(router, asks=ask), file)
            first, last = (day.toordinal() - _EPOCH_DAY for day in period.days)
            return (await desk.run(router, Selection(first, last), name=name, asks=ask)).tally
        except NoSuchName as exc:
            raise Refused(str(exc)) from exc

    tally = on_directory(env_file, work)
    if as_json:
        show_json(_as_json(tally))
    else:
        _show(tally)


async def _replay_file(directory: Directory, replayed: "Replay", file: Path | None) -> "Tally":
    import time

    from app.smart.replay import past_of_lines

    def price(name: str, usage: Any) -> Any:
        route = directory.registry.find(name)
        return route and directory.prices.price(route.choices[0].target, usage, time.time()).cost

    if file is None:
        raise Refused("A file is needed.")
    with file.open(encoding="utf-8") as lines:
        for past in past_of_lines(lines, price):
            await replayed.decide(past)
    return replayed.tally


def _bodies_key(settings: "Settings") -> bytes:
    from app.metering.sealing import find_key

    return find_key(settings.bodies_key, settings.data_dir)


def _as_json(tally: "Tally") -> Mapping[str, Any]:
    from dataclasses import asdict
    from decimal import Decimal

    from app.core.money import write_usd

    return {name: write_usd(value) if isinstance(value, Decimal) else value for name, value in asdict(tally).items()}


def _show(tally: "Tally") -> None:
    from app.core.money import write_usd

    told = sum(tally.chosen.values())
    if told:
        chosen = sorted(tally.chosen.items(), key=lambda each: -each[1])
        show_table(
            ["would be chosen", "calls", "share"], [[m, f"{n:,}", f"{n / told:.1%}"] for m, n in chosen], right=(1, 2)
        )
        typer.echo()
    fields = {"calls": f"{tally.calls:,}", "decided": f"{told:,}"}
    if tally.compared:
        fields["elsewhere"] = f"{tally.flips:,} of {tally.compared:,} ({tally.flips / tally.compared:.1%})"
    if tally.priced:
        fields["cost"] = (
            f"${write_usd(tally.before)} before, ${write_usd(tally.after)} after, of {tally.priced:,} calls"
        )
    if tally.fallbacks:
        fields["to the fallback"] = f"{tally.fallbacks:,}, as nothing could be chosen"
    if tally.designators:
        fields["designator"] = f"${write_usd(tally.designators)}"
    if tally.untold:
        fields["not told"] = f"{tally.untold:,}: what they asked was not kept (tokens add --log-bodies keeps it)"
    if tally.asked:
        fields["would ask"] = f"{tally.asked:,} times the designator (--ask asks it)"
    show_fields(fields)
