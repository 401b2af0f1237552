"""`llm-relay models sync descriptions`: looks up what models are good for, for clients and smart routers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import Directory, on_directory
from cli.output import fail, show_json, show_table

if TYPE_CHECKING:
    from app.providers.descriptions import Found
    from app.providers.told import Told

_SHOWN_CHARACTERS = 70


def sync_descriptions(
    update_existing: Annotated[
        bool, typer.Option("--update-existing", help="Also of models that are described already.")
    ] = False,
    file: Annotated[Path | None, typer.Option("--file", help="OpenRouter's list of models, as a file.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Where that list is, if not at OpenRouter's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")
    ] = None,
) -> None:
    """Take over descriptions from the providers' own lists and from OpenRouter's public one: the longer text wins.

    What you said of a model yourself stays. Running servers take it within two seconds.
    """
    if file is not None and url is not None:
        fail("Give --file or --url, not both.")

    listed = None if file is None else _read(file)

    async def sync(directory: Directory) -> dict[str, Any]:
        return await _sync(directory, listed, url, update_existing=update_existing, dry_run=dry_run)

    result = on_directory(env_file, sync)
    if as_json:
        show_json(result)
        return
    if changes := result["changes"]:
        show_table(
            ["model", "from", "description"],
            [[each["model"], each["origin"], _short(each["text"])] for each in changes],
        )
    for key, verdict in result["providers_attempted"].items():
        typer.echo(f"provider {key}: {verdict.replace('_', ' ')}")
    typer.echo(
        f"{'Would describe' if dry_run else 'Described'} {result['updated']} models, left {result['skipped']} as they are."
    )


async def _sync(
    directory: Directory, listed: bytes | None, url: str | None, *, update_existing: bool, dry_run: bool
) -> dict[str, Any]:
    from app.providers.base import HttpProvider
    from app.providers.descriptions import ask, find_descriptions
    from app.store.catalog import StoredModel, put_models

    own: dict[str, Any] = {}
    attempted: dict[str, str] = {}
    for state in directory.registry.states:
        if not state.ready:
            attempted[state.key] = "no_api_key" if state.state.startswith("no key") else state.state
        elif isinstance(provider := directory.registry.provider(state.key), HttpProvider):
            own[state.key], attempted[state.key] = await ask(provider)
    openrouter, attempted["openrouter (public list)"] = await _read_openrouter(directory, listed, url)

    def described(target: Any) -> str | None:
        return None if update_existing else directory.overrides.known(*target.name).description

    found = list(find_descriptions(own, openrouter, described))
    if found and not dry_run:
        await put_models(directory.db, [_stored(StoredModel, each) for each in found])
    return {
        "updated": len(found),
        "skipped": sum(map(len, own.values())) - len(found),
        "providers_synced": sum(verdict == "success" for verdict in attempted.values()),
        "providers_attempted": attempted,
        "changes": [{"model": str(each.target), "origin": each.origin, "text": each.text} for each in found],
    }


async def _read_openrouter(directory: Directory, listed: bytes | None, url: str | None) -> "tuple[list[Told], str]":
    import httpx

    from app.core.errors import UpstreamInvalid
    from app.providers.descriptions import OPENROUTER_URL, parse_openrouter, read_openrouter

    if listed is not None:
        return parse_openrouter(listed), "success"
    try:
        return await read_openrouter(directory.transport, url or OPENROUTER_URL), "success"
    except (httpx.HTTPError, httpx.InvalidURL, UpstreamInvalid) as exc:
        if url is not None:
            raise ValueError(f"{url}: {exc or type(exc).__name__}") from exc
        return [], "error"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        fail(f"{file} cannot be read: {exc.strerror}.")


def _stored(kind: Any, found: "Found") -> Any:
    return kind(found.target.provider, found.target.model, "synced", description=found.text)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
