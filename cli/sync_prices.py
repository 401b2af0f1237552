"""`llm-relay models sync prices`: shows what LiteLLM's price file would change, and takes it over."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.database import Refused, run_on_prices
from cli.output import counted, show_json, show_table
from cli.progress import progress

if TYPE_CHECKING:
    from app.config import Config
    from app.metering.litellm_facts import FactChange
    from app.metering.price_sync import Difference
    from app.metering.prices import Prices
    from app.settings import Settings
    from app.store.catalog import StoredModel
    from app.store.db import Database

_MAX_BYTES = 64 * 1024 * 1024  # it has some 3 MB
_TIMEOUT_S = 30.0


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
        from app.metering import litellm_facts, price_sync
        from app.store.catalog import apply_models
        from app.store.prices import apply_prices

        found, facts, faults = await _compare(settings, db, prices, file, url)
        for fault in faults:
            typer.echo(f"left out: {fault}", err=True)
        if not as_json:
            _show(found)
            _show_facts(facts)
        words = f"{counted(len(found), 'change')} of prices and {len(facts)} of what is known of models"
        applied = bool(found or facts) and not dry_run and (yes or typer.confirm(f"Apply these {words}?"))
        if applied:
            await apply_prices(db, *price_sync.rows_of(found, datetime.now(UTC).date().isoformat()))
            await apply_models(db, *litellm_facts.rows_of(facts))
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


async def _compare(
    settings: "Settings", db: "Database", prices: "Prices", file: Path | None, url: str | None
) -> tuple[list["Difference"], list["FactChange"], list[str]]:
    from app.metering.litellm import URL, litellm_names, read_price_file
    from app.metering.litellm_facts import changes
    from app.metering.price_sync import differences
    from app.store.catalog import read_catalog
    from app.store.prices import list_prices

    text = _read(file) if file else await _fetch(settings, url or URL)
    bundled = await prices.load()
    price_file = read_price_file(text, {key: litellm_names(each, bundled) for key, each in prices.sources.items()})
    found: list[Difference] = []
    with progress("Comparing prices", len(price_file.prices)) as advance:
        for difference in differences(prices, await list_prices(db), price_file, time.time()):
            found.append(difference)
            advance(1)
    return found, list(changes((await read_catalog(db)).models, price_file.facts)), price_file.faults


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        raise Refused(f"{file} cannot be read: {exc.strerror}.") from exc


async def _fetch(settings: "Settings", url: str) -> bytes:
    import httpx

    from app.providers.transport import open_transport

    body = bytearray()
    transport = open_transport(ca_file=str(settings.ca_file) if settings.ca_file else None, environ=settings.environ)
    try:
        async with httpx.AsyncClient(transport=transport, follow_redirects=True, timeout=_TIMEOUT_S) as client:  # noqa: SIM117
            async with client.stream("GET", url) as response:
                response.raise_for_status()
                total = response.headers.get("content-length")
                with progress("Fetching prices", int(total) if total else None) as advance:
                    async for data in response.aiter_bytes():
                        advance(len(data))
                        body += data
                        if len(body) > _MAX_BYTES:
                            raise Refused(f"{url} is longer than {_MAX_BYTES} bytes: it is no price file.")
    except httpx.HTTPStatusError as exc:
        raise Refused(f"{url} answers with status {exc.response.status_code}.") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Refused(
            f"{url} cannot be fetched: {type(exc).__name__}. Get it some other way, and give --file."
        ) from exc
    return bytes(body)


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
