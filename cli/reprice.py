"""`llm-relay usage reprice`: computes the cost of logged calls anew."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import run_on_prices
from cli.output import counted, show_fields, show_json
from cli.period import SINCE_HELP, UNTIL_HELP, Period, read_period
from cli.progress import progress

if TYPE_CHECKING:
    from app.config import Config
    from app.metering.prices import Prices
    from app.settings import Settings
    from app.store.db import Database


@dataclass
class _Total:
    """Over all batches; sums in pico-USD."""

    rows: int = 0
    changed: int = 0
    unknown: int = 0
    old: int = 0
    new: int = 0


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
        applied = yes and not dry_run
        total = await _price(db, prices, period, writes=applied)
        _show(total, applied=applied, as_json=as_json)
        if applied or dry_run or not total.changed:
            return
        if typer.confirm(f"Change the cost of {counted(total.changed, 'call')}?"):
            total = await _price(db, prices, period, writes=True)
            typer.echo(f"Changed the cost of {counted(total.changed, 'call')}.")

    run_on_prices(env_file, work)


async def _price(db: "Database", prices: "Prices", period: tuple[int, int], *, writes: bool) -> _Total:
    from app.core.moments import write_moment
    from app.core.money import from_pico_usd, write_usd
    from app.metering.reprice import reprice as batches
    from app.store.audit import note
    from app.store.costs import count_asked
    from app.store.times import from_ms

    total = _Total()
    with progress("Pricing calls", await count_asked(db, *period)) as advance:
        async for batch in batches(db, prices, *period, dry_run=not writes):
            total.rows += batch.rows
            total.changed += batch.changed
            total.unknown += batch.unknown
            total.old += batch.old
            total.new += batch.new
            advance(batch.rows)
    if writes and total.changed:
        before, after = ({"usd": write_usd(from_pico_usd(each))} for each in (total.old, total.new))
        since, until = (write_moment(from_ms(each)) for each in period)
        changed = {"calls": total.changed}
        await note(db, "usage.reprice", f"calls from {since} to {until}", before=before, after=after | changed)
    return total


def _show(total: _Total, *, applied: bool, as_json: bool) -> None:
    from app.core.money import from_pico_usd, write_usd

    old, new = write_usd(from_pico_usd(total.old)), write_usd(from_pico_usd(total.new))
    if as_json:
        show_json(
            {
                "calls": total.rows,
                "changed": total.changed,
                "without_price": total.unknown,
                "old_usd": old,
                "new_usd": new,
                "applied": applied,
            }
        )
        return
    show_fields(
        {
            "calls": str(total.rows),
            "changed" if applied else "would change": str(total.changed),
            "without a price": str(total.unknown),
            "sum before, USD": old,
            "sum after, USD": new,
        }
    )


def _in_ms(period: Period) -> tuple[int, int]:
    """Its ends; none after now, as what comes while the command asks is priced already."""
    from app.store.times import now_ms, to_ms

    return to_ms(period.start), min(to_ms(period.end), now_ms())
