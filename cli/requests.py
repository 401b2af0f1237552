"""`llm-relay requests`: one call, as it is recorded, and where it is kept, what it asked and got."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.database import with_settings
from cli.output import fail, show_fields, show_json, show_table

if TYPE_CHECKING:
    from app.metering.bodies import Bodies
    from app.metering.story import Stories
    from app.settings import Settings
    from app.store.db import Database

View = dict[str, Any]

# Of these, what a call has nothing of goes without saying.
_SELDOM = (
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "images",
    "searches",
    "audio_ms",
    "helper_calls",
    "helper_unpriced",
)

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
    """Show one call, and those that were made for it. Its bodies are kept where its token was made with --log-bodies."""

    async def find(db: "Database", settings: "Settings") -> "tuple[View, list[View], Bodies | None]":
        from app.metering.sealing import find_key
        from app.metering.story import Stories

        stories = Stories(db, None, lambda: find_key(settings.bodies_key, settings.data_dir))
        story = await stories.tell(request_id)
        if story is None:
            fail(f"There is no call {request_id!r}: none of that id was admitted, or its time is over.")
        return story.call, story.helpers, await _read_bodies(stories, request_id) if bodies else None

    call, helpers, said = with_settings(env_file, find)
    if as_json:
        show_json(call | {"helpers": helpers} | (_as_json(said) if said else {}))
        return
    show_fields({name: _word(value) for name, value in call.items() if _is_told(name, value)})
    if helpers:
        typer.echo()
        show_table(["made for it", "provider/model", "USD", "id"], [_row(each) for each in helpers])
    if said:
        _show("request", said.request, said.request_bytes)
        _show("reply", said.reply, said.reply_bytes)


async def _read_bodies(stories: "Stories", request_id: str) -> "Bodies":
    from app.metering.sealing import NotUnsealed

    try:
        bodies = await stories.bodies(request_id)
    except NotUnsealed as exc:
        fail(str(exc))
    if bodies is None:
        fail(
            f"What {request_id} asked and got is not kept: its token was made without --log-bodies,"
            " or its time (BODIES_RETENTION_DAYS) is over."
        )
    return bodies


def _is_told(name: str, value: object) -> bool:
    return value is not None and not (name in _SELDOM and value == 0)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(each if isinstance(each, str) else _failure(each) for each in value) or "-"
    return str(value)


def _failure(failure: View) -> str:
    return f"{failure['provider']}/{failure['model']}: {failure['kind']} ({failure['message']})"


def _row(helper: View) -> list[str]:
    target = "/".join(filter(None, (helper["provider"], helper["model"]))) or "-"
    return [helper["helper"], target, helper["cost"] or "-", helper["id"]]


def _as_json(said: "Bodies") -> View:
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
