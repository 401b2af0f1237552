"""`llm-relay db`: looks at the database that the server uses, brings it to this version, and copies it to another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.core.jsonio import Json
from cli.database import on_database
from cli.output import fail, show_fields, show_json, show_table
from cli.progress import reporting, spinning
from cli.verify import verify

if TYPE_CHECKING:
    from app.store.copying import Copied
    from app.store.db import Database

View = dict[str, Any]

app = typer.Typer(help="Look after the database.", no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command()
def status(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show which database it is, whether it has the schema of this version, its rows and its size. Changes nothing."""
    view = on_database(env_file, _look, upgrades=False, makes_file=False)
    if as_json:
        show_json(view)
        return
    current = "yes" if view["current"] else "no: run 'llm-relay db upgrade', or start the gateway"
    fields = {"database": view["database"], "server": view["server"], "schema": view["schema"] or "none"}
    show_fields(fields | {"current": current, "size": _size(view["bytes"])})
    if view["rows"]:
        typer.echo()
        show_table(["table", "rows"], [[table, f"{rows:,}"] for table, rows in view["rows"].items()])


@app.command()
def upgrade(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Bring the database to the schema of this version. A start of the gateway does it too."""

    async def work(db: "Database") -> tuple[str | None, str | None]:
        from app.store import schema

        before = await schema.version_of(db)
        with spinning("Upgrading the database …"):
            await schema.upgrade(db)
        return before, await schema.version_of(db)

    before, after = on_database(env_file, work, upgrades=False)
    if as_json:
        show_json({"before": before, "schema": after})
    elif before == after:
        typer.echo(f"The database is at {after} already.")
    else:
        typer.echo(f"The database went from {before or 'nothing'} to {after}.")


@app.command()
def copy(
    to: Annotated[str | None, typer.Option("--to", help="URL of the database to copy to; it must be empty.")] = None,
    to_file: Annotated[Path | None, typer.Option("--to-file", help="A file that holds this URL.")] = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Copy everything to another database, SQLite or PostgreSQL, and compare. Stop the gateway before.

    A copy that was interrupted goes on where it was when the same command is run again.
    """
    url = _target_url(to, to_file)

    async def work(source: "Database") -> "tuple[str, list[Copied]]":
        from app.store.copying import CopyFailed, copy_database
        from app.store.db import open_database

        target = open_database(url)
        try:
            if target.where == source.where:
                fail(f"{source.where} cannot be copied to itself.")
            with reporting(lines=True) as report:
                return target.where, await copy_database(source, target, report)
        except CopyFailed as exc:
            fail(str(exc))
        finally:
            await target.aclose()

    where, copied = on_database(env_file, work, upgrades=False, makes_file=False)
    if as_json:
        tables: list[Json] = [{"table": one.table, "rows": one.rows, "sums": one.sums} for one in copied]
        show_json({"to": where, "tables": tables})
        return
    show_table(["table", "rows", "equal sums"], [[one.table, f"{one.rows:,}", str(one.sums)] for one in copied])
    typer.echo(f"\nCopied to {where}. Rows, values and sums of every table are equal on both sides.")
    typer.echo("Set DATABASE_URL to it, and start the gateway.")


app.command()(verify)


def _target_url(to: str | None, to_file: Path | None) -> str:
    if (to is None) == (to_file is None):
        fail("Say where to copy to: either --to URL or --to-file FILE.")
    if to_file is None:
        return str(to).strip()
    try:
        return to_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as exc:
        fail(f"--to-file names {str(to_file)!r}, which cannot be read: {exc}.")


async def _look(db: "Database") -> View:
    """What is told of a database; the keys are those of the JSON output."""
    from app.store import census, schema
    from app.store.migrations import HEAD

    version = await schema.version_of(db)
    return {
        "database": db.where,
        "server": await census.read_server_version(db),
        "schema": version,
        "current": version == HEAD,
        "bytes": await census.read_size(db),
        "rows": await census.count_rows(db),
    }


def _size(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:
            return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} GiB"
