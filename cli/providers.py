"""`llm-relay providers`: the providers of a server, and how one is added or changed without touching `config.json`."""

import json
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.database import Directory, Refused, on_directory
from cli.output import fail, show_json, show_table

if TYPE_CHECKING:
    from app.desks.providers import ProviderDesk
    from app.providers.trial import Trial

T = TypeVar("T")

app = typer.Typer(
    help="Show, add, change, try out, switch off and remove providers.", no_args_is_help=True, add_completion=False
)

_OPTIONS = {"supported_models": "models"}
"""Where they are not called as the fields."""

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="What it is called in names of models: lower case, such as acme.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]
BaseUrl = Annotated[str | None, typer.Option("--base-url", help="As its own SDK takes it.")]
KeyEnv = Annotated[str | None, typer.Option("--api-key-env", help="The variable that holds its key: ACME_API_KEY.")]
Format = Annotated[
    str | None,
    typer.Option("--api-format", help="openai, responses, anthropic, gemini or ollama; several with commas."),
]
Name = Annotated[str | None, typer.Option("--name", help="For people.")]
Models = Annotated[str | None, typer.Option("--models", help="The models to offer, with commas; absent: it is asked.")]
Definition = Annotated[
    Path | None, typer.Option("--definition", help="A JSON file with the whole entry, as config.json has it.")
]

_LIST = ["key", "name", "state", "source"]


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all providers and whether they can be used."""

    async def read(desk: "ProviderDesk", _directory: Directory) -> list[dict[str, Any]]:
        return [
            {
                "key": view.state.key,
                "name": view.state.name,
                "state": view.state.state,
                "source": view.source,
                "changed_here": view.changes is not None,
                "changes": list(view.changes or ()),
            }
            for view in await desk.list_all()
        ]

    providers = _on_desk(env_file, read, shows_left_out=True)
    if as_json:
        show_json(providers)
    else:
        for each in providers:
            each["source"] += ", changed here" if each["changed_here"] else ""
        rows = [[each[title] for title in _LIST] for each in providers]
        show_table(_LIST, rows, below=[_LIST.index(title) for title in ("state", "name")])


@app.command()
def add(
    key: Key,
    base_url: BaseUrl = None,
    api_key_env: KeyEnv = None,
    api_format: Format = None,
    name: Name = None,
    models: Models = None,
    definition: Definition = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Add a provider, or put another in the place of one that was added. Running servers take it within two seconds.

    Keys stay in the environment of the servers: only the variable's name is kept.
    """
    given = _given(base_url, api_key_env, api_format, name, models)
    entry = _read_definition(definition) | given

    async def put(desk: "ProviderDesk", directory: Directory) -> Sequence[str]:
        if key in directory.file.providers:
            raise ValueError(f"{key!r} is in the configuration file: 'llm-relay providers change {key}' changes it.")
        if not entry.get("base_url"):
            raise ValueError("Say where it is: --base-url https://api.example.com/v1")
        return await _put(desk, directory, key, entry, given)

    _tell_put("Added", key, entry, _on_desk(env_file, put), as_json=as_json)


@app.command()
def change(
    key: Key,
    base_url: BaseUrl = None,
    api_key_env: KeyEnv = None,
    api_format: Format = None,
    name: Name = None,
    models: Models = None,
    definition: Definition = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Change what is given of a provider, also of one of config.json. Running servers take it within two seconds.

    What is changed of one of config.json counts in the place of its entry there, until it is reset. An empty text takes a field out.
    """
    given = _given(base_url, api_key_env, api_format, name, models)
    if not given and definition is None:
        fail("Nothing to change: give at least one option.")

    async def put(desk: "ProviderDesk", directory: Directory) -> tuple[dict[str, Any], Sequence[str]]:
        from app.definitions import is_same_host

        before = await desk.definition(key)
        entry = (before if definition is None else _read_definition(definition)) | given
        # A key is for the host that it was made for, unless somebody says so.
        if (
            "api_key_env" in before
            and "api_key_env" not in given
            and definition is None
            and not is_same_host(entry, before)
        ):
            raise ValueError("--base-url is another host: say which variable holds its key, with --api-key-env.")
        entry = {field: value for field, value in entry.items() if value not in ("", [])}
        return entry, await _put(desk, directory, key, entry, given)

    entry, missing = _on_desk(env_file, put)
    _tell_put("Changed", key, entry, missing, as_json=as_json)


@app.command()
def reset(key: Key, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Have what config.json says of a provider count again."""
    _on_desk(env_file, lambda desk, _: desk.reset(key), shows_left_out=True)
    if as_json:
        show_json({"reset": key})
    else:
        typer.echo(f"The provider {key} is as config.json says.")


@app.command()
def delete(key: Key, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Remove a provider that was added."""
    from app.desks.providers import FixedProvider, NoSuchProvider

    async def remove(desk: "ProviderDesk", _directory: Directory) -> None:
        try:
            await desk.delete(key)
        except (NoSuchProvider, FixedProvider) as exc:
            raise Refused(f"No provider {key!r} was added; those of config.json are removed there.") from exc

    _on_desk(env_file, remove, shows_left_out=True)
    if as_json:
        show_json({"deleted": key})
    else:
        typer.echo(f"Removed the provider {key}.")


@app.command()
def disable(key: Key, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Have a provider be used no more, wherever it is defined. Running servers take it within two seconds."""
    _switch(key, on=False, as_json=as_json, env_file=env_file)


@app.command()
def enable(key: Key, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Have a provider be used again."""
    _switch(key, on=True, as_json=as_json, env_file=env_file)


@app.command("test")
def try_out(key: Key, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Ask a provider for its models, with each of its keys. Exit status 1 when it cannot be used."""

    async def ask(desk: "ProviderDesk", _directory: Directory) -> "Trial":
        return await desk.test(key)

    trial = _on_desk(env_file, ask)
    if as_json:
        models = None if trial.told is None else len(trial.told)
        show_json({"key": key, "ok": trial.can_be_used, "words": trial.words, "models": models, "ms": trial.ms})
    else:
        typer.echo(f"{key}: {trial.words}")
    raise typer.Exit(0 if trial.can_be_used else 1)


def _switch(key: str, *, on: bool, as_json: bool, env_file: Path | None) -> None:
    _on_desk(env_file, lambda desk, _: desk.switch(key, on=on))
    if as_json:
        show_json({"key": key, "enabled": on})
    else:
        typer.echo(f"The provider {key} is {'used again' if on else 'not used any more'}.")


def _on_desk(
    env_file: Path | None, work: "Callable[[ProviderDesk, Directory], Awaitable[T]]", *, shows_left_out: bool = False
) -> T:
    """Do `work` at the desk, on the server's database; what it refuses is told, with status 1."""

    async def nothing() -> None:
        """No server here to be told."""

    async def do(directory: Directory) -> T:
        from app.desks.providers import NoSuchProvider, ProviderDesk

        desk = ProviderDesk(directory.db, directory.registry, lambda: directory.file, nothing)
        try:
            return await work(desk, directory)
        except NoSuchProvider as exc:
            raise ValueError(f"{exc} 'llm-relay providers list' shows all.") from exc

    return on_directory(env_file, do, shows_left_out=shows_left_out)


async def _put(
    desk: "ProviderDesk", directory: Directory, key: str, entry: Mapping[str, Any], given: Container[str]
) -> Sequence[str]:
    """Have it be so, and give the variables that may hold its key where none does."""
    from app.config import InvalidConfig

    try:
        checked = await desk.put(key, entry)
    except InvalidConfig as exc:
        raise Refused("\n".join(_by_option(line, given) for line in str(exc).splitlines())) from exc
    has_key = not checked.api_key_env or directory.settings.secret(checked.api_key_env)
    return () if has_key else checked.api_key_env


def _tell_put(done: str, key: str, entry: Mapping[str, Any], missing: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        show_json({"key": key, "definition": entry, "missing_keys": list(missing)})
    else:
        hint = f" It has no key yet: set {' or '.join(missing)} where the server runs." if missing else ""
        typer.echo(f"{done} the provider {key}.{hint}")


def _given(
    base_url: str | None, api_key_env: str | None, api_format: str | None, name: str | None, models: str | None
) -> dict[str, Any]:
    fields = {
        "name": name,
        "base_url": base_url,
        "api_key_env": api_key_env,
        "api_format": _parts(api_format),
        "supported_models": _parts(models),
    }
    return {field: value for field, value in fields.items() if value is not None}


def _by_option(line: str, given: Container[str]) -> str:
    place, _, words = line.partition(":")
    field = place.partition("[")[0]
    return f"--{_OPTIONS.get(field, field).replace('_', '-')}:{words}" if field in given else line


def _parts(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _read_definition(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        entry = json.loads(path.read_text())
    except (OSError, ValueError) as exc:
        fail(f"{path}: {exc}")
    if not isinstance(entry, dict):
        fail(f"{path}: must be the object of one provider.")
    return entry
