"""`llm-relay requests`: one call, as it is recorded, and where it is kept, what it asked and got."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import fail, show_fields, show_json

if TYPE_CHECKING:
    from app.metering.bodies import Bodies
    from app.settings import Settings
    from app.store.bodies import StoredBodies

Call = dict[str, Any]

app = typer.Typer(help="Look at single calls.", no_args_is_help=True, add_completion=False)


@app.callback()
def requests() -> None:
    """Look at single calls."""


@app.command()
def show(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The x-request-id of its response.")],
    bodies: Annotated[bool, typer.Option("--bodies", help="What it asked and got too, decrypted.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
) -> None:
    """Show one call. Its bodies are kept where its token was made with --log-bodies."""
    from app.core.errors import RelayError
    from app.metering.sealing import InvalidKey, NotUnsealed
    from app.settings import InvalidSettings, load_settings
    from app.store.db import UnusableDatabase

    try:
        settings = load_settings(env_file)
        call, stored = asyncio.run(_find(settings, request_id))
        said = _unsealed(settings, stored, request_id) if bodies else None
    except (InvalidSettings, InvalidKey, NotUnsealed, RelayError, UnusableDatabase) as exc:
        fail(str(exc))
    if as_json:
        show_json(_view(call) | (_as_json(said) if said else {}))
        return
    show_fields({name: _word(value) for name, value in _view(call).items() if value is not None})
    if said:
        _show("request", said.request, said.request_bytes)
        _show("reply", said.reply, said.reply_bytes)


async def _find(settings: "Settings", request_id: str) -> "tuple[Call, StoredBodies | None]":
    from app.store.bodies import find_bodies
    from app.store.db import open_database
    from app.store.requests import find_call
    from app.store.schema import upgrade

    db = open_database(settings.database_url)
    try:
        await upgrade(db)
        call = await find_call(db, request_id)
        if call is None:
            fail(f"There is no call {request_id!r}: none of that id was admitted, or its time is over.")
        return call, await find_bodies(db, request_id)
    finally:
        await db.aclose()


def _unsealed(settings: "Settings", stored: "StoredBodies | None", request_id: str) -> "Bodies":
    from app.metering.bodies import unseal_bodies
    from app.metering.sealing import KEY_FILE, parse_key, read_key

    if stored is None:
        fail(
            f"What {request_id} asked and got is not kept: its token was made without --log-bodies,"
            " or its time (BODIES_RETENTION_DAYS) is over."
        )
    key = parse_key(settings.bodies_key) if settings.bodies_key else read_key(settings.data_dir / KEY_FILE)
    return unseal_bodies(key, stored)


def _view(call: Call) -> Call:
    from app.store.requests import from_pico_usd
    from app.store.times import from_ms

    costs = {
        name: None if call[name] is None else f"{from_pico_usd(call[name]):f}" for name in ("cost", "reported_cost")
    }
    flags = {name: bool(call[name]) for name in ("streamed", "usage_estimated", "cache_hit", "charged", "rescued")}
    received_at = from_ms(call["received_at"]).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    tags = [tag for tag in call["tags"].split(",") if tag]
    return {**call, **costs, **flags, "received_at": received_at, "tags": tags}


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (", ".join(value) or "-") if isinstance(value, list) else str(value)


def _as_json(said: "Bodies") -> Call:
    return {
        name: {"bytes": count, "kept": len(kept), "text": kept.decode(errors="replace")}
        for name, kept, count in (
            ("request_body", said.request, said.request_bytes),
            ("reply_body", said.reply, said.reply_bytes),
        )
    }


def _show(title: str, kept: bytes, count: int) -> None:
    cut = f", of which the first {len(kept)} are kept" if len(kept) < count else ""
    typer.echo(f"\n--- {title}: {count} bytes{cut} ---")
    # What a model wrote must not steer a terminal.
    text = kept.decode(errors="replace")
    typer.echo("".join(each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text))
