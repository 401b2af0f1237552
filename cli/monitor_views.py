"""How commands show monitors and what they found."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from cli.output import to_the_second

if TYPE_CHECKING:
    from app.store.monitors.webhooks import TakenWebhook


def monitor_row(told: Mapping[str, Any]) -> list[str]:
    """One line of the list."""
    names = ("monitor_id", "username", "status", "frequency", "expires_at", "query")
    row = [str(told[name]) for name in names]
    row[4] = to_the_second(row[4])
    row[5] = " ".join(_printable(row[5]).split())
    return row


def show_group(group: Mapping[str, Any]) -> None:
    """What one run found."""
    error = f": {group['last_error']}" if group["last_error"] and group["state"] != "delivered" else ""
    typer.echo(f"{to_the_second(group['received_at'])}  {group['event_group_id']}  {group['state']}{error}")
    for each in group["events"]:
        typer.echo(f"  {each['date'] or 'Undated'}")
        typer.echo(textwrap.indent(_printable(each["text"]), "    "))
        for source in each["sources"]:
            typer.echo(f"    {_printable(source)}")


def show_webhook(webhook: "TakenWebhook", *, as_json: bool) -> None:
    """One that was taken."""
    from app.monitors.telling import told_webhook

    told = told_webhook(webhook)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        group = f"  {webhook.event_group_id}" if webhook.event_group_id else ""
        typer.echo(
            f"{to_the_second(told['received_at'])}  {webhook.type}  {webhook.parallel_id}{group}  {webhook.result}"
        )


def delivery_row(told: Mapping[str, Any]) -> list[str]:
    """One line of the list of deliveries."""
    last = told["log"][-1] if told["log"] else None
    words = "" if last is None else last["error"] or f"status {last['status']}"
    return [
        told["delivery_id"],
        told["status"],
        str(told["attempts"]),
        to_the_second(told["created_at"]),
        _printable(words),
    ]


def show_each(words: str, handles: Sequence[str]) -> None:
    """What was done with some monitors."""
    for handle in handles:
        typer.echo(f"{handle}: {words}")


def _printable(text: str) -> str:
    """Without what a web page could tell a terminal to do."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)
