"""`llm-relay settings`: those that can be changed while the gateway runs. A running server knows of a change within two seconds."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.database import Directory, on_directory
from cli.name_files import parse_value
from cli.output import show_json, show_table, to_the_second

if TYPE_CHECKING:
    from app.desks.settings import SettingsDesk, SettingView

T = TypeVar("T")

app = typer.Typer(
    help="Change settings while the gateway runs, in the place of the environment's.",
    no_args_is_help=True,
    add_completion=False,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As 'llm-relay settings list' shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show them: what they are, and what the environment says."""
    views = _on_desk(env_file, lambda desk: desk.list_all())
    if as_json:
        show_json([_view(view) for view in views])
        return
    rows = [
        [view.setting.name, _word(view.value), _word(view.environment), view.setting.variable, _when(view)]
        for view in views
    ]
    show_table(["setting", "value", "environment", "variable", "set"], rows, below=(3, 4))


@app.command("set")
def set_one(
    name: Name,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="A text, a whole number, or true or false; null for none.")
    ],
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Set one, whatever the environment says."""
    given = parse_value(value)
    _tell(_on_desk(env_file, lambda desk: desk.set(name, given)), as_json)


@app.command()
def reset(name: Name, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Have one be what the environment says."""
    _tell(_on_desk(env_file, lambda desk: desk.reset(name)), as_json)


def _on_desk(env_file: Path | None, work: "Callable[[SettingsDesk], Awaitable[T]]") -> T:
    async def do(directory: Directory) -> T:
        from app.desks.settings import NoSuchSetting, SettingsDesk
        from cli.names_desk import desk_of

        async def nothing() -> None:
            """No server here to be told."""

        desk = SettingsDesk(directory.db, directory.environment, nothing, desk_of(directory).why_unknown)
        try:
            return await work(desk)
        except NoSuchSetting as exc:
            raise ValueError(str(exc)) from exc

    return on_directory(env_file, do)


def _tell(view: "SettingView", as_json: bool) -> None:
    if as_json:
        show_json(_view(view))
    else:
        whose = "as the environment says" if view.changed is None else "whatever the environment says"
        typer.echo(f"{view.setting.name} is {_word(view.value)}, {whose}.")


def _view(view: "SettingView") -> dict[str, Any]:
    """The keys are those of the JSON output."""
    return {
        "name": view.setting.name,
        "variable": view.setting.variable,
        "value": view.value,
        "environment": view.environment,
        "changed": None if view.changed is None else view.changed.isoformat(),
    }


def _when(view: "SettingView") -> str:
    return "-" if view.changed is None else to_the_second(view.changed.isoformat())


def _word(value: object) -> str:
    words = {None: "none", True: "on", False: "off"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
