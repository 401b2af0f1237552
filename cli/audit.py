"""`llm-relay audit`: who changed what, and whether the log of it is as it was written."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.core.moments import write_moment
from cli.database import on_database
from cli.output import counted, fail, printable, show_json, show_table, to_the_second

if TYPE_CHECKING:
    from app.auth.audit import AuditDesk, Entry
    from app.store.db import Database

app = typer.Typer(help="Look at the changes that administrators made.", no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command("list")
def list_all(
    actor: Annotated[str, typer.Option("--actor", metavar="WHO", help="admin:NAME, token:ID or cli:USER.")] = "",
    action: Annotated[str, typer.Option("--action", metavar="WHAT", help="Such as token.modify.")] = "",
    before: Annotated[int | None, typer.Option("--before", help="Only entries before this number.", min=1)] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many.", min=1, max=500)] = 50,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Show changes, the newest first."""
    page = on_database(
        env_file, lambda db: _desk(db).page(before_number=before, actor=actor, action=action, limit=limit)
    )
    if as_json:
        show_json({"entries": [_view(each) for each in page.entries], "next": page.next})
    elif page.entries:
        columns = ["no.", "when (UTC)", "who", "action", "what", "changed"]
        show_table(columns, [_row(each) for each in page.entries], right=(0,), below=(5,))
        if page.next is not None:
            typer.echo(f"There are older ones: --before {page.next}")
    else:
        typer.echo("No change is in the log.")


@app.command()
def verify(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Check that each entry is as it was written and none is missing. The status is 1 where that is not so."""
    count, fault = on_database(env_file, lambda db: _desk(db).verify())
    if as_json:
        show_json({"entries": count, "fault": fault})
    elif fault is None:
        typer.echo(f"{counted(count, 'change')}: the log is as it was written.")
    if fault is not None:
        fail(fault)


def _desk(db: "Database") -> "AuditDesk":
    from app.auth.audit import AuditDesk

    return AuditDesk(db)


def _view(entry: "Entry") -> dict[str, Any]:
    from app.store.times import from_ms

    return {
        "number": entry.number,
        "at": write_moment(from_ms(entry.at)),
        "actor": entry.actor,
        "address": entry.address,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "hash": entry.hash,
    }


def _row(entry: "Entry") -> list[str]:
    view = _view(entry)
    words = [str(view["number"]), to_the_second(view["at"]), *(view[name] for name in ("actor", "action", "subject"))]
    return [*map(printable, words), printable(_changes(entry))]


def _changes(entry: "Entry") -> str:
    before, after = entry.before or {}, entry.after or {}
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {_change(before, after, name)}" for name in names) or "-"


def _change(before: dict[str, Any], after: dict[str, Any], name: str) -> str:
    was, now = (json.dumps(side.get(name), ensure_ascii=False) for side in (before, after))
    return f"{was} → {now}" if name in before and name in after else (now if name in after else f"was {was}")
