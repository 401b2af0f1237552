"""`llm-relay names`: smart models, added, looked at, changed and removed; other files bring in what else is done with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.core.smart import CLASSES, Kind
from cli.name_options import AsJson, EnvFile, by_option, command_of
from cli.names_desk import on_desk
from cli.names_eval import evaluate
from cli.names_exchange import bring_in, export, validate
from cli.names_explain import explain
from cli.names_replay import replay
from cli.names_train import train
from cli.output import fail, show_fields, show_json, show_table

if TYPE_CHECKING:
    from app.smart.desk import SmartDesk, Stored, Unreadable

View = dict[str, Any]

app = typer.Typer(
    help="Smart models: names for models, routers, caches and augmentors.", no_args_is_help=True, add_completion=False
)
add = typer.Typer(help="Add one. Running servers take it within two seconds.", no_args_is_help=True)
modify = typer.Typer(help="Change what is given; all else stays. 'none' takes a value away.", no_args_is_help=True)
app.add_typer(add, name="add")
app.add_typer(modify, name="modify")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or its id.")]

_LIST = ["name", "kind", "leads to", "state", "tags", "owner"]
_BELOW = [_LIST.index(title) for title in ("owner", "tags", "leads to", "state")]


@app.command("list")
def list_all(
    kind: Annotated[str | None, typer.Option("--kind", help=f"{', '.join(CLASSES)}.")] = None,
    owner_tag: Annotated[str | None, typer.Option("--owner-tag", help="Only those with this owner tag.")] = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Show all of them."""
    if kind is not None and kind not in CLASSES:
        fail(f"There is no kind {kind!r}; there are {', '.join(CLASSES)}.")

    async def read(desk: "SmartDesk") -> list[View]:
        readable = [_view(each) for each in await desk.list_all(kind, owner_tag)]
        return [*readable, *map(_view_unreadable, await desk.list_unreadable(kind, owner_tag))]

    views = on_desk(env_file, read)
    if as_json:
        show_json(views)
    elif views:
        show_table(_LIST, [_line(view) for view in views], below=_BELOW)
    else:
        typer.echo("There is none yet. Make one: llm-relay names add alias NAME --target PROVIDER/MODEL")


@app.command()
def show(name: Name, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show one of them, and what it has counted."""

    async def read(desk: "SmartDesk") -> View:
        return _view(await desk.show(name))

    _show(on_desk(env_file, read), as_json=as_json)


@app.command()
def delete(name: Name, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Remove one of them."""

    async def remove(desk: "SmartDesk") -> View:
        from app.smart.desk import Unreadable

        gone = await desk.delete(None, name)
        return _view_unreadable(gone) if isinstance(gone, Unreadable) else _view(gone)

    view = on_desk(env_file, remove)
    if as_json:
        show_json({"deleted": view})
    else:
        typer.echo(f"Deleted the {view['kind']} {view['name']}.")


def _add(
    kind: Kind, name: str, given: Mapping[str, Any], *, offline: bool, as_json: bool, env_file: Path | None
) -> None:
    async def make(desk: "SmartDesk") -> View:
        return await _warned(desk, await desk.add(kind, {**given, "name": name}))

    view = _on_desk_by_option(kind, env_file, make, offline=offline)
    _tell("Added", view, as_json=as_json)


def _modify(
    kind: Kind, name: str, given: Mapping[str, Any], *, offline: bool, as_json: bool, env_file: Path | None
) -> None:
    if not given:
        fail("Nothing to change: give an option, or a --file.")

    async def change(desk: "SmartDesk") -> View:
        return await _warned(desk, await desk.change(kind, name, given))

    view = _on_desk_by_option(kind, env_file, change, offline=offline)
    _tell("Changed", view, as_json=as_json)


async def _warned(desk: "SmartDesk", stored: "Stored") -> View:
    """What it is now; standard error is told what it lacks."""
    for fault in await desk.warnings_of(stored.model):
        typer.echo(f"warning: {by_option(str(fault), stored.kind)}", err=True)
    return _view(stored)


def _on_desk_by_option(kind: Kind, env_file: Path | None, work: Any, *, offline: bool) -> View:
    """The same as `on_desk`, with faults told by the options that give the fields."""

    async def do(desk: "SmartDesk") -> View:
        from app.smart.definition import InvalidName

        try:
            view: View = await work(desk)
        except InvalidName as exc:
            raise ValueError("\n".join(by_option(line, kind) for line in str(exc).splitlines())) from exc
        return view

    return on_desk(env_file, do, offline=offline)


for _kind in CLASSES:
    add.command(_kind)(command_of(_kind, _add, renames=False))
    modify.command(_kind)(command_of(_kind, _modify, renames=True))
app.command()(validate)
app.command()(export)
app.command("import")(bring_in)
app.command()(explain)
app.command()(train)
app.command()(replay)
app.command("eval")(evaluate)


def _view(stored: "Stored") -> View:
    from app.core.moments import write_moment
    from app.core.smart import definition_of

    return {
        "id": stored.id,
        "kind": stored.kind,
        **definition_of(stored.model),
        "created_at": write_moment(stored.created_at),
        "updated_at": write_moment(stored.updated_at),
        **({"stats": {key: _number(value) for key, value in stored.stats.items()}} if stored.stats else {}),
        "leads_to": list(stored.model.targets),
    }


def _view_unreadable(row: "Unreadable") -> View:
    return {"id": row.id, "kind": row.kind, "name": row.name, "unreadable": row.why}


def _number(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


def _line(view: View) -> list[str]:
    if "unreadable" in view:
        return [view["name"], view["kind"], "-", f"unreadable: {view['unreadable']}", "-", "-"]
    return [
        view["name"],
        view["kind"],
        ", ".join(view["leads_to"]),
        "enabled" if view["enabled"] else "disabled",
        ", ".join(view["tags"]) or "-",
        ", ".join(view["owner_tags"]) or "-",
    ]


def _tell(done: str, view: View, *, as_json: bool) -> None:
    if as_json:
        show_json(view)
    else:
        typer.echo(f"{done} the {view['kind']} {view['name']}, which leads to {', '.join(view['leads_to'])}.")


def _show(view: View, *, as_json: bool) -> None:
    if as_json:
        show_json(view)
        return
    flat = {key: value for key, value in view.items() if key not in ("leads_to", "stats")} | view.get("stats", {})
    show_fields({key.replace("_", " "): _words(value) for key, value in flat.items()})


def _words(value: Any) -> str | list[str]:
    """Several where each has several parts."""
    several = isinstance(value, list) and any(isinstance(each, dict) for each in value)
    return [_word(each) for each in value] if several else _word(value)


def _word(value: Any) -> str:
    match value:
        case None | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return "; ".join(_word(each) for each in value)
        case dict():
            return ", ".join(f"{key} {_word(each)}" for key, each in value.items() if each is not None)
    return str(value)
