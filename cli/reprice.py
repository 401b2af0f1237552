"""`llm-relay usage reprice`: computes the cost of logged calls anew."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import Refused, run_on_prices
from cli.output import show_fields, show_json
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
    since: Annotated[str, typer.Option("--since", help="From when on, UTC: a date, or ISO 8601.")],
    until: Annotated[str | None, typer.Option("--until", help="Before when, UTC; absent: now.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")
    ] = None,
) -> None:
    """Compute what calls cost by the prices of now, each at its own time. Providers' own figures stay."""

    async def work(_settings: "Settings", _config: "Config", db: "Database", prices: "Prices") -> _Total:
        from app.metering.reprice import reprice as batches
        from app.store.costs import count_asked

        period = _ms(since), _ms(until) if until else _ms(datetime.now(UTC).isoformat())
        total = _Total()
        with progress("Pricing calls", await count_asked(db, *period)) as advance:
            async for batch in batches(db, prices, *period, dry_run=dry_run):
                total.rows += batch.rows
                total.changed += batch.changed
                total.unknown += batch.unknown
                total.old += batch.old
                total.new += batch.new
                advance(batch.rows)
        return total

    _show(run_on_prices(env_file, work), dry_run=dry_run, as_json=as_json)


def _show(total: _Total, *, dry_run: bool, as_json: bool) -> None:
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
                "applied": not dry_run,
            }
        )
        return
    show_fields(
        {
            "calls": str(total.rows),
            "would change" if dry_run else "changed": str(total.changed),
            "without a price": str(total.unknown),
            "old sum, USD": old,
            "new sum, USD": new,
        }
    )


def _ms(text: str) -> int:
    from app.store.times import to_ms

    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as exc:
        raise Refused(f"{text!r} is no time: write a date such as 2026-11-01, or ISO 8601.") from exc
    return to_ms(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment)
