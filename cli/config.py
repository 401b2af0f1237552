"""`llm-relay config`: everything that administrators have made, carried out of one gateway and into another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Directory, on_directory
from cli.name_files import STANDARD, read_document, write_document
from cli.output import fail, show_json, show_table

if TYPE_CHECKING:
    from app.exchange.desk import ExchangeDesk, Plan

app = typer.Typer(help="Carry everything but secrets and logs out, and in.", no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command()
def export(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A .json, .yaml or .yml file; - is standard output, as YAML.")
    ] = STANDARD,
    env_file: EnvFile = None,
) -> None:
    """Write settings, added providers, what you said of models, prices, limits, names, and tokens without their texts."""

    async def read(directory: Directory) -> dict[str, Any]:
        return await _desk(directory).export()

    write_document(file, on_directory(env_file, read))
    if file != STANDARD:
        typer.echo(
            f"Wrote {file}. It holds no secrets: keys stay in the environment, tokens need to be rotated elsewhere."
        )


@app.command("import")
def bring_in(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A .json, .yaml or .yml file; - is standard input, as YAML or JSON.")
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what is not in it, of the sections that it has.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Bring in what a file holds, all or nothing. It shows what that changes, and asks."""
    document = read_document(file)

    async def do(directory: Directory) -> "tuple[Plan, bool]":
        desk = _desk(directory)
        plan = await desk.plan(document, replace=replace)
        if not as_json:
            _show(plan)
        goes = bool(plan.lines) and not dry_run and (yes or _confirms(file))
        if goes:
            await desk.apply(plan)
        return plan, goes

    plan, done = on_directory(env_file, do)
    if as_json:
        show_json(_view(plan) | {"done": done})
    elif plan.lines:
        typer.echo("Done. Running servers take it within two seconds." if done else "Nothing was changed.")


def _desk(directory: Directory) -> "ExchangeDesk":
    from app.exchange.desk import ExchangeDesk
    from cli.names_desk import desk_of

    async def nothing() -> None:
        """No server here to be told."""

    def environment(name: str) -> Any:
        return getattr(directory.environment, name, None)

    return ExchangeDesk(directory.db, desk_of(directory), nothing, environment, lambda: directory.file)


def _confirms(file: str) -> bool:
    if file == STANDARD:
        fail("Standard input is the document, so that nobody can be asked: give --yes, or --dry-run.")
    return typer.confirm("Do this?", err=True)


def _view(plan: "Plan") -> dict[str, Any]:
    lines = [(line, *line.shown) for line in plan.lines]
    return {
        "lines": [
            {"section": line.section, "key": line.key, "action": line.action, "before": before, "after": after}
            for line, before, after in lines
        ],
        "unchanged": plan.unchanged,
        "warnings": list(plan.warnings),
    }


def _show(plan: "Plan") -> None:
    if plan.lines:
        rows = [[line.action, line.section, line.key, _values(*line.shown)] for line in plan.lines]
        show_table(["", "section", "what", "before → after"], rows, below=(3,))
    typer.echo(f"{len(plan.lines)} to change, {plan.unchanged} as they are.")
    for line in plan.warnings:
        typer.echo(f"warning: {line}", err=True)


def _values(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """Each field with what it was and what it becomes; nothing is before what is added, and after what is removed."""
    from app.core.jsonio import dumps

    def value(side: dict[str, Any] | None, name: str) -> str:
        return dumps(side[name]).decode() if side and name in side else "-"

    names = dict.fromkeys([*(before or {}), *(after or {})])
    if before is None or after is None:
        return "; ".join(f"{name}: {value(after if before is None else before, name)}" for name in names) or "-"
    return "; ".join(f"{name}: {value(before, name)} → {value(after, name)}" for name in names)
