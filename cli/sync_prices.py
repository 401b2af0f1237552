"""`llm-relay models sync prices`: shows what LiteLLM's price file would change, and takes it over."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import Refused, run_on_prices
from cli.output import counted, show_json, show_table
from cli.progress import progress

if TYPE_CHECKING:
    from app.config import Config
    from app.desks.price_sync import PriceSync
    from app.metering.litellm_facts import FactChange
    from app.metering.price_sync import Difference
    from app.metering.prices import Prices
    from app.settings import Settings
    from app.store.catalog import StoredModel
    from app.store.db import Database


def sync_prices(
    file: Annotated[Path | None, typer.Option("--file", help="The file, where you have it.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Where to get it; absent: from LiteLLM's repository.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document; needs --yes or --dry-run.")] = False,
    env_file: Annotated[
        Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")
    ] = None,
) -> None:
    """Take over LiteLLM's prices for the providers of the configuration, and what it knows of their models. What you said stays."""

    async def work(settings: "Settings", _config: "Config", db: "Database", prices: "Prices") -> None:
        desk = _desk(settings, db, prices)
        text = None if file is None else _read(file)
        with progress("Comparing prices") as advance:
            diff = await desk.look(url, text=text, advance=advance)
        found, facts = diff.prices, diff.facts
        for fault in diff.faults:
            typer.echo(f"left out: {fault}", err=True)
        if not as_json:
            _show(found)
            _show_facts(facts)
        words = f"{counted(len(found), 'change')} of prices and {len(facts)} of what is known of models"
        applied = bool(found or facts) and not dry_run and (yes or typer.confirm(f"Apply these {words}?"))
        if applied:
            await desk.apply(diff)
        if as_json:
            views = {"differences": [_view(each) for each in found], "facts": [_view_fact(each) for each in facts]}
            show_json({"applied": applied, **views})
        elif applied:
            typer.echo(f"Applied {words}; a running server knows of them within two seconds.")

    if file is not None and url is not None:
        raise typer.BadParameter("Give either --file or --url.")
    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json asks nothing: add --yes or --dry-run.")
    run_on_prices(env_file, work)


def _desk(settings: "Settings", db: "Database", prices: "Prices") -> "PriceSync":
    from app.desks.price_sync import MAX_BYTES, PriceSync, Unfetchable
    from app.providers.download import download
    from app.providers.transport import open_transport

    async def fetch(url: str) -> bytes:
        transport = open_transport(
            ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ
        )
        try:
            with progress("Fetching prices") as advance:
                return await download(transport, url, MAX_BYTES, advance)
        except Unfetchable as exc:
            raise Refused(f"{exc}\nGet it some other way, and give --file.") from exc
        finally:
            await transport.aclose()

    async def nothing() -> None:
        """No server here to be told."""

    return PriceSync(db, prices, fetch, nothing)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise Refused(f"{file} cannot be read: {exc.strerror}.") from exc


def _show(found: Sequence["Difference"]) -> None:
    if not found:
        typer.echo("All prices are as in the file.")
        return
    rows = [
        [f"{each.provider}/{each.model}", each.kind.value + (" (yours stays)" if each.own else ""), *line]
        for each in found
        for line in each.lines()
    ]
    show_table(["model", "change", "rate", "old USD", "new USD"], rows)


def _show_facts(found: Sequence["FactChange"]) -> None:
    if not found:
        typer.echo("What is known of models is as in the file.")
        return
    typer.echo("\nWhat is known of models, where their providers do not tell:")
    rows = [[f"{each.provider}/{each.model}", each.kind, *_facts_of(each.new)] for each in found]
    show_table(["model", "change", "context", "output", "can"], rows)


def _facts_of(model: "StoredModel | None") -> list[str]:
    if model is None:
        return ["-", "-", "-"]
    numbers = (model.context_length, model.max_output_tokens)
    return [*("-" if each is None else f"{each:,}" for each in numbers), ", ".join(model.capabilities or ()) or "-"]


def _view_fact(each: "FactChange") -> dict[str, object]:
    from app.metering.litellm_facts import FACTS

    old, new = ({name: getattr(model, name, None) for name in FACTS} for model in (each.old, each.new))
    return {
        "provider": each.provider,
        "model": each.model,
        "change": each.kind,
        "old": old if each.old else None,
        "new": new if each.new else None,
    }


def _view(each: "Difference") -> dict[str, object]:
    changes = [{"rate": rate, "old": old or None, "new": new or None} for rate, old, new in each.lines()]
    return {
        "provider": each.provider,
        "model": each.model,
        "change": each.kind.value,
        "own_price_stays": each.own,
        "rates": changes,
    }
