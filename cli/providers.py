"""`llm-relay providers`: the providers of a server, and how one is added without touching `config.json`."""

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Directory, Refused, on_database, on_directory
from cli.output import fail, show_json, show_table

if TYPE_CHECKING:
    from app.config import ProviderConfig

app = typer.Typer(help="Show, add and remove providers.", no_args_is_help=True, add_completion=False)

_OPTIONS = {"supported_models": "models"}
"""Where they are not called as the fields."""

Key = Annotated[
    str, typer.Argument(metavar="KEY", help="What it is called in names of models: lower case, such as acme.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


_LIST = ["key", "name", "state", "source"]


@app.command("list")
def list_all(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Show all providers and whether they can be used."""

    async def read(directory: Directory) -> list[dict[str, Any]]:
        return [
            {
                "key": state.key,
                "name": state.name,
                "state": state.state,
                "source": "config" if state.key in directory.file.providers else _source(state.key),
            }
            for state in directory.registry.states
        ] + [
            {"key": one.key, "name": one.key, "state": f"cannot be used: {'; '.join(one.faults)}", "source": "added"}
            for one in directory.left_out
            if one.faults
        ]

    providers = on_directory(env_file, read, shows_left_out=True)
    if as_json:
        show_json(providers)
    else:
        rows = [[each[title] for title in _LIST] for each in providers]
        show_table(_LIST, rows, below=[_LIST.index(title) for title in ("state", "name")])


@app.command()
def add(
    key: Key,
    base_url: Annotated[str | None, typer.Option("--base-url", help="As its own SDK takes it.")] = None,
    api_key_env: Annotated[str | None, typer.Option("--api-key-env", help="The variable that holds its key.")] = None,
    api_format: Annotated[
        str | None,
        typer.Option("--api-format", help="openai, responses, anthropic, gemini or ollama; several with commas."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="For people.")] = None,
    models: Annotated[
        str | None, typer.Option("--models", help="The models to offer, with commas; absent: it is asked.")
    ] = None,
    definition: Annotated[
        Path | None, typer.Option("--definition", help="A JSON file with the whole entry, as config.json has it.")
    ] = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Add a provider, or change one that was added. Running servers take it within two seconds.

    Keys stay in the environment of the servers: only the variable's name is kept.
    """
    given = {
        "name": name,
        "base_url": base_url,
        "api_key_env": api_key_env,
        "api_format": _parts(api_format),
        "supported_models": _parts(models),
    }
    entry = _read_definition(definition) | {field: value for field, value in given.items() if value is not None}

    async def put(directory: Directory) -> tuple[str, ...]:
        from app.store.catalog import put_provider

        if key in directory.file.providers:
            raise ValueError(f"{key!r} is in {directory.settings.config_path} already: change it there.")
        if not entry.get("base_url"):
            raise ValueError("Say where it is: --base-url https://api.example.com/v1")
        checked = _check(key, entry, {field for field, value in given.items() if value is not None})
        await put_provider(directory.db, key, entry)
        has_key = not checked.api_key_env or directory.settings.secret(checked.api_key_env)
        return () if has_key else checked.api_key_env

    missing = on_directory(env_file, put)
    if as_json:
        show_json({"key": key, "definition": entry, "missing_keys": list(missing)})
    else:
        hint = f" It has no key yet: set {' or '.join(missing)} where the server runs." if missing else ""
        typer.echo(f"Added the provider {key}.{hint}")


@app.command()
def delete(key: Key, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Remove a provider that was added."""
    from app.store.catalog import delete_provider

    if not on_database(env_file, lambda db: delete_provider(db, key)):
        fail(f"No provider {key!r} was added; those of config.json are removed there.")
    if as_json:
        show_json({"deleted": key})
    else:
        typer.echo(f"Removed the provider {key}.")


def _source(key: str) -> str:
    from app.providers.registry import BUILT_IN_KEYS

    return "built in" if key in BUILT_IN_KEYS else "added"


def _check(key: str, entry: Mapping[str, Any], given: Container[str]) -> "ProviderConfig":
    """The entry, whose faults are told by the options that gave the fields."""
    from app.config import InvalidConfig, check_provider

    try:
        return check_provider(key, entry)
    except InvalidConfig as exc:
        raise Refused("\n".join(_by_option(line, given) for line in str(exc).splitlines())) from exc


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
