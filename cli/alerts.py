"""`llm-relay alerts`: what went wrong of late, from the database that the server uses."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.core.jsonio import Json
from app.core.moments import write_moment
from cli.database import on_database
from cli.output import fail, printable, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.metering.alerts import Alert, Alerts

T = TypeVar("T")


def alerts(
    hours: Annotated[int, typer.Option(help="How far back to look.", min=1, max=720)] = 24,
    dismiss: Annotated[
        str | None,
        typer.Option(metavar="ALERT", help="Hide one, as the list names it, for a day and until it happens again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    env_file: Annotated[Path | None, typer.Option(help="A file of settings to read in place of ./.env.")] = None,
) -> None:
    """Show what went wrong with providers and with the gateway itself: the critical first, then the most frequent."""
    if dismiss is not None:
        _dismiss(dismiss, as_json=as_json, env_file=env_file)
        return
    found = _run(env_file, lambda alerts: alerts.read(hours))
    if as_json:
        from app.metering.alerts import summary_of

        told: list[Json] = [alert.told() for alert in found]
        show_json({"alerts": told, "summary": {**summary_of(found)}, "period_hours": hours})
    elif found:
        columns = ["severity", "count", "last seen (UTC)", "alert", "message"]
        show_table(columns, [_row(alert) for alert in found], right=(1,), below=(4,))
    else:
        typer.echo(f"Nothing went wrong in the last {hours} h.")


def _row(alert: "Alert") -> list[str]:
    from app.store.times import from_ms

    message = " ".join(alert.message.split())
    last_seen = from_ms(alert.last_at).strftime("%Y-%m-%d %H:%M:%S")
    return [alert.severity, str(alert.count), last_seen, printable(str(alert.key)), printable(message)]


def _dismiss(name: str, *, as_json: bool, env_file: Path | None) -> None:
    from app.core.alert import AlertKey

    key = AlertKey.parse(name)
    until = None if key is None else _run(env_file, lambda alerts: alerts.dismiss(key))
    if until is None:
        fail(f"There is no alert {name!r}; 'llm-relay alerts' lists them.")
    if as_json:
        show_json({"dismissed": name, "until": write_moment(until)})
    else:
        typer.echo(f"Hidden until {until:%Y-%m-%d %H:%M:%S} UTC, and then until it happens again.")


def _run(env_file: Path | None, work: "Callable[[Alerts], Awaitable[T]]") -> T:
    from app.metering.alerts import Alerts

    return on_database(env_file, lambda db: work(Alerts(db)))
