"""`llm-relay db verify`: holds calls, sums and counters against each other."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import with_settings
from cli.output import counted, show_json, show_table
from cli.progress import reporting

if TYPE_CHECKING:
    from app.settings import Settings
    from app.store.db import Database
    from app.store.verify import Difference


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    most: Annotated[int, typer.Option("--most", help="Differences to show; all are counted.", min=1)] = 100,
    days: Annotated[
        int | None,
        typer.Option("--days", help="Of how many days all calls should be there; 0 for ever. [RETENTION_DAYS]", min=0),
    ] = None,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")
    ] = None,
) -> None:
    """Check that all sums are those of the calls: rows, sums by hour and day, counters of tokens. Changes nothing.

    Also while the gateway runs. The exit status is 1 where anything differs.
    """
    with reporting() as report:
        shown, count = _run(env_file, most, days, report)
    if as_json:
        fields = ("check", "where", "expected", "found")
        show_json({"differences": count, "shown": [{name: getattr(one, name) for name in fields} for one in shown]})
    elif count:
        show_table(
            ["rule", "where", "expected", "found"], [[one.check, one.where, one.expected, one.found] for one in shown]
        )
        rest = "" if count == len(shown) else f"; {len(shown):,} are shown"
        typer.echo(f"{counted(count, 'difference')}{rest}.")
    else:
        typer.echo("All sums are those of the calls.")
    if count:
        raise typer.Exit(1)


def _run(
    env_file: Path | None, most: int, days: int | None, report: Callable[[str, int, int], None]
) -> "tuple[list[Difference], int]":
    from app.desks.settings import settings_with
    from app.store.db import UnusableDatabase
    from app.store.schema import is_current
    from app.store.settings import list_settings
    from app.store.verify import Verification

    async def verify_it(db: "Database", settings: "Settings") -> "tuple[list[Difference], int]":
        if not await is_current(db):
            raise UnusableDatabase("The database has not the schema of this version; 'llm-relay db upgrade' brings it.")
        shown: list[Difference] = []
        count = 0
        said = {each.name: each.value for each in await list_settings(db)}
        retention_days = settings_with(settings, said).retention_days if days is None else days
        async for difference in Verification(db, retention_days=retention_days, report=report).differences():
            count += 1
            if len(shown) < most:
                shown.append(difference)
        return shown, count

    return with_settings(env_file, verify_it, upgrades=False, makes_file=False)
