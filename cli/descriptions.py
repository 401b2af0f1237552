"""`llm-relay models sync descriptions`: looks up what models are good for, for clients and smart routers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.database import Directory, on_directory
from cli.output import fail, show_json, show_table

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
    from app.desks.descriptions import DescriptionSync, result_of
    from app.providers.descriptions import parse_openrouter, read_openrouter

    async def nothing() -> None:
        """No server here to be told."""

    desk = DescriptionSync(
        directory.db,
        directory.registry,
        lambda target: directory.overrides.known(*target.name).description,
        lambda address: read_openrouter(directory.transport, address),
        nothing,
    )
    told = None if listed is None else parse_openrouter(listed)
    lookup = await result_of(desk.look(update_existing=update_existing, url=url, listed=told))
    if not dry_run:
        await desk.apply(lookup.found)
    return {
        "updated": len(lookup.found),
        "skipped": lookup.skipped,
        "providers_synced": sum(verdict == "success" for verdict in lookup.attempted.values()),
        "providers_attempted": dict(lookup.attempted),
        "changes": [{"model": str(each.target), "origin": each.origin, "text": each.text} for each in lookup.found],
    }


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        fail(f"{file} cannot be read: {exc.strerror}.")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
