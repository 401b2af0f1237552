"""`llm-relay names export`, `import` and `validate`: sets of smart models in files, such as a repository has."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.name_files import STANDARD, read_document, write_document
from cli.name_options import AsJson, EnvFile, Offline
from cli.names_desk import on_desk
from cli.output import counted, fail, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.smart.checks import Fault
    from app.smart.desk import SmartDesk, Stored, Unreadable
    from app.smart.exchange import Plan

Source = Annotated[
    str, typer.Argument(metavar="FILE", help="A .json, .yaml or .yml file; - is standard input, as YAML or JSON.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Remove those that are not in it.")]


def export(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A .json, .yaml or .yml file; - is standard output, as YAML.")
    ] = STANDARD,
    owner_tag: Annotated[str | None, typer.Option("--owner-tag", help="Only those with this owner tag.")] = None,
    env_file: EnvFile = None,
) -> None:
    """Write all of them into a file, which changes only where they do: sorted, without ids, times and counts."""

    async def read(desk: "SmartDesk") -> "tuple[dict[str, Any], list[Unreadable]]":
        from app.smart.exchange import export_names

        stored, unreadable = await desk.list_all(owner_tag=owner_tag), await desk.list_unreadable(owner_tag=owner_tag)
        return dict(export_names(stored)), unreadable

    document, unreadable = on_desk(env_file, read)
    write_document(file, document)
    for each in unreadable:
        typer.echo(f"Left out: the {each.kind} {each.name!r}, which cannot be read: {each.why}.", err=True)
    if file != STANDARD:
        typer.echo(f"Wrote {counted(sum(map(len, document.values())), 'name')} to {file}.")


def bring_in(
    file: Source,
    replace: Replace = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    offline: Offline = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Bring in what a file holds, all or nothing. It shows what that changes, and asks."""
    document = read_document(file)

    async def do(desk: "SmartDesk") -> "tuple[Plan, bool]":
        from app.smart.exchange import apply_import, plan_import

        plan = await plan_import(desk, {} if document is None else document, replace=replace)
        if not as_json:
            _show(plan)
        goes = not (dry_run or plan.is_empty) and (yes or _confirms(file))
        if goes:
            await apply_import(desk, plan)
        return plan, goes

    plan, done = on_desk(env_file, do, offline=offline)
    if as_json:
        show_json(_view(plan) | {"done": done})
    elif not plan.is_empty:
        typer.echo("Done. Running servers take it within two seconds." if done else "Nothing was changed.")


def validate(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="To be imported; without, those that are there are looked at."),
    ] = None,
    replace: Replace = False,
    offline: Offline = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Tell what is wrong with them, or with a file, and what they lack; nothing is changed. Exit status 1 where something is wrong."""
    document = None if file is None else read_document(file)

    async def look(desk: "SmartDesk") -> tuple[list[str], list[str]]:
        if file is None:
            unreadable = [
                f"{each.kind} {each.name}: cannot be read: {each.why}" for each in await desk.list_unreadable()
            ]
            return [*unreadable, *_lines(await desk.find_broken())], _lines(await desk.find_lacking())
        from app.smart.exchange import plan_import

        plan = await plan_import(desk, document or {}, replace=replace)
        return list(plan.warnings), list(plan.lacking)

    faults, warnings = on_desk(env_file, look, offline=offline)
    if as_json:
        show_json({"valid": not faults, "faults": faults, "warnings": warnings})
    else:
        for line in [*faults, *(f"warning: {line}" for line in warnings)]:
            typer.echo(line, err=True)
        if not faults:
            typer.echo("Nothing is wrong." if warnings else "All in order.")
    if faults:
        raise typer.Exit(1)


def _lines(found: "Sequence[tuple[Stored, list[Fault]]]") -> list[str]:
    return [f"{each.kind} {each.model.name}: {fault}" for each, faults in found for fault in faults]


def _confirms(file: str) -> bool:
    if file == STANDARD:
        fail("Standard input is the document, so that nobody can be asked: give --yes, or --dry-run.")
    return typer.confirm("Do this?", err=True)


def _view(plan: "Plan") -> dict[str, Any]:
    return {
        "added": [{"kind": model.kind, "name": model.name} for model in plan.added],
        "changed": [
            {"kind": each.model.kind, "name": each.model.name, "fields": list(each.fields)} for each in plan.changed
        ],
        "deleted": [{"kind": each.kind, "name": each.model.name} for each in plan.deleted],
        "unchanged": plan.unchanged,
        "warnings": [*plan.warnings, *plan.lacking],
    }


def _show(plan: "Plan") -> None:
    view = _view(plan)
    rows = [
        [word, each["kind"], each["name"], ", ".join(each.get("fields", [])) or "-"]
        for word, key in (("add", "added"), ("change", "changed"), ("delete", "deleted"))
        for each in view[key]
    ]
    if rows:
        show_table(["", "kind", "name", "fields"], rows, below=[3])
    typer.echo(f"{len(rows)} to change, {plan.unchanged} as they are.")
    for line in view["warnings"]:
        typer.echo(f"warning: {line}", err=True)
