"""`llm-relay usage reprice`: computes the cost of logged calls anew."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import run_on_prices
from cli.output import counted, show_fields, show_json
from cli.period import SINCE_HELP, UNTIL_HELP, Period, read_period
from cli.progress import progress

if TYPE_CHECKING:
    from app.config import Config
    from app.desks.reprice import Repriced, RepriceDesk
    from app.metering.prices import Prices
    from app.settings import Settings
    from app.store.db import Database


def reprice(
    since: Annotated[str, typer.Option("--since", help=SINCE_HELP)],
    until: Annotated[str | None, typer.Option("--until", help=UNTIL_HELP)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; needs --yes or --dry-run.")] = False,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")
    ] = None,
) -> None:
    """Compute anew what calls cost, and show it before it is changed.

    Your own and synced prices count as they are now, bundled ones as they were at the time of the call. Providers' own figures stay.
    """
    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json asks nothing: add --yes or --dry-run.")
    period = _in_ms(read_period(since, until))

    async def work(_settings: "Settings", _config: "Config", db: "Database", prices: "Prices") -> None:
        from app.desks.reprice import RepriceDesk

        desk = RepriceDesk(db, prices)
        applied = yes and not dry_run
        done = await _run(desk, period, applies=applied)
        _show(done, applied=applied, as_json=as_json)
        if applied or dry_run or not done.changed:
            return
        if typer.confirm(f"Change the cost of {counted(done.changed, 'call')}?"):
            done = await _run(desk, period, applies=True)
            typer.echo(f"Changed the cost of {counted(done.changed, 'call')}.")

    run_on_prices(env_file, work)


async def _run(desk: "RepriceDesk", period: tuple[int, int], *, applies: bool) -> "Repriced":
    with progress("Pricing calls", await desk.count(*period)) as advance:
        return await (desk.apply if applies else desk.look)(*period, advance)


def _show(done: "Repriced", *, applied: bool, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "calls": done.calls,
                "changed": done.changed,
                "without_price": done.unknown,
                "old_usd": done.old,
                "new_usd": done.new,
                "applied": applied,
            }
        )
        return
    show_fields(
        {
            "calls": str(done.calls),
            "changed" if applied else "would change": str(done.changed),
            "without a price": str(done.unknown),
            "sum before, USD": done.old,
            "sum after, USD": done.new,
        }
    )


def _in_ms(period: Period) -> tuple[int, int]:
    """Its ends; none after now, as what comes while the command asks is priced already."""
    from app.store.times import now_ms, to_ms

    return to_ms(period.start), min(to_ms(period.end), now_ms())
