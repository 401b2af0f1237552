"""`llm-relay monitors`: users' watches on the web at Parallel, in the database that the server uses."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli.database import with_settings
from cli.monitor_views import delivery_row, monitor_row, show_each, show_group, show_webhook
from cli.output import fail, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from app.monitor_service import MonitorService
    from app.store.db import Database
    from app.store.monitors.rows import Monitor
    from app.store.monitors.webhooks import TakenWebhook

T = TypeVar("T")

app = typer.Typer(help="Watch the web for users, through Parallel AI.", no_args_is_help=True, add_completion=False)

Handle = Annotated[str, typer.Argument(metavar="MONITOR", help="As the list names it.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
LISTEN_S = 1.0
OVERLAP_MS = 10_000
MOST_SHOWN = 1000

EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file of settings to read in place of ./.env.")]


@app.command()
def create(
    username: Annotated[str, typer.Option(help="Whose it is to be.")],
    query: Annotated[str, typer.Option(help="What is watched, in words.")],
    cadence: Annotated[str | None, typer.Option(help="hourly, daily or weekly.")] = None,
    frequency: Annotated[str | None, typer.Option(help="In its place: from 1h to 30d.")] = None,
    processor: Annotated[str | None, typer.Option(help="lite or base.")] = None,
    webhook_url: Annotated[
        str | None, typer.Option("--webhook-url", help="Where Parallel is to report to. [MONITOR_WEBHOOK_URL]")
    ] = None,
    event_types: Annotated[
        str | None, typer.Option("--event-types", help="What it is to report, with commas between; all if not given.")
    ] = None,
    metadata_json: Annotated[
        str | None, typer.Option("--metadata-json", help="An object of texts, which comes back with each report.")
    ] = None,
    forward_url: Annotated[
        str | None, typer.Option("--forward-url", help="Where what it finds is passed on to, signed.")
    ] = None,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Create a monitor; where the user has as many as are allowed, it takes the place of the oldest."""
    from app.monitors.telling import told_created

    wanted = {
        "query": query,
        "cadence": cadence,
        "frequency": frequency,
        "processor": processor,
        "forward_url": forward_url,
        "metadata": _parse(metadata_json),
    }

    async def work(service: "MonitorService", _db: "Database") -> dict[str, Any]:
        from app.monitors.asked import read_asked, read_event_types
        from app.monitors.remote import EVENT_TYPES

        asked = read_asked({name: value for name, value in wanted.items() if value is not None})
        types = read_event_types(event_types.split(",")) if event_types is not None else EVENT_TYPES
        return told_created(await service.operators.create(username, asked, webhook_url=webhook_url, event_types=types))

    told = _run(env_file, work)
    if as_json:
        show_json(told)
        return
    typer.echo(f"{told['monitor_id']}  {told['status']}\n{told['message']}")
    if secret := told.get("forward_secret"):
        typer.echo(f"What is passed on is signed with this secret, which is shown only now:\n{secret}")


@app.command("list")
def list_all(
    username: Annotated[str | None, typer.Option(help="Of this user only.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Without those that have ended.")] = False,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Show monitors, the newest first."""
    from app.monitors.telling import told_monitor

    async def work(service: "MonitorService", _db: "Database") -> "list[Monitor]":
        found = await service.desk.list_all(username)
        return [each for each in found if not active or each.status in ("active", "creating", "cancelling")]

    told = [told_monitor(each) for each in _run(env_file, work)]
    if as_json:
        show_json({"monitors": [*told]})
    elif told:
        columns = ["monitor", "user", "status", "every", "until (UTC)", "query"]
        show_table(columns, [monitor_row(each) for each in told], below=(5, 4), folds=0)
    else:
        typer.echo("There is no monitor: llm-relay monitors create --username NAME --query '…' --cadence daily")


@app.command()
def events(
    monitor: Handle,
    limit: Annotated[int, typer.Option(help="How many event groups.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Show what a monitor found, the newest first, and what became of it."""
    from app.monitors.telling import told_events

    async def work(service: "MonitorService", _db: "Database") -> list[dict[str, Any]]:
        found, groups = await service.operators.events(monitor, limit)
        return [told_events(each, found.handle) for each in groups]

    told = _run(env_file, work)
    if as_json:
        show_json({"event_groups": [*told]})
    elif told:
        for group in told:
            show_group(group)
    else:
        typer.echo("It has found nothing yet.")


@app.command()
def cancel(monitor: Handle, as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """End a monitor. What it found stays."""
    from app.monitors.telling import told_monitor

    async def work(service: "MonitorService", _db: "Database") -> "Monitor":
        return await service.operators.cancel(monitor)

    told = told_monitor(_run(env_file, work))
    if as_json:
        show_json(told)
    elif told["status"] == "cancelling":
        typer.echo(f"{told['monitor_id']} is being cancelled; Parallel will be asked again. {told['last_error'] or ''}")
    else:
        typer.echo(f"{told['monitor_id']} is {told['status']}.")


@app.command()
def trigger(monitor: Handle, env_file: EnvFile = None) -> None:
    """Have a monitor run now, beside its usual runs."""

    async def work(service: "MonitorService", _db: "Database") -> "Monitor":
        return await service.operators.trigger(monitor)

    typer.echo(f"{_run(env_file, work).handle} runs now.")


@app.command()
def reconcile(as_json: AsJson = False, env_file: EnvFile = None) -> None:
    """Bring the monitors here and those at Parallel together; a running server does it hourly."""
    done = _run(env_file, lambda service, _db: service.operators.reconcile())
    told = {"closed": done.closed, "cancelled": done.cancelled, "failed": done.failed, "given_up": done.given_up}
    if as_json:
        show_json(told)
    elif not any(told.values()):
        typer.echo("Both sides agree.")
    else:
        show_each("not active at Parallel any more, closed here", done.closed)
        show_each("active at Parallel but not here, cancelled there", done.cancelled)
        show_each("never came to be", done.given_up)
        for parallel_id, why in done.failed.items():
            typer.echo(f"{parallel_id}: cannot be reconciled now: {why}")
    if done.failed:
        raise typer.Exit(1)


@app.command()
def deliveries(
    monitor: Handle,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 20,
    as_json: AsJson = False,
    env_file: EnvFile = None,
) -> None:
    """Show what was passed on to a monitor's forward_url, the newest first."""
    from app.monitors.telling import told_delivery

    async def work(service: "MonitorService", _db: "Database") -> list[dict[str, Any]]:
        return [told_delivery(each) for each in await service.operators.deliveries(monitor, limit)]

    told = _run(env_file, work)
    if as_json:
        show_json({"deliveries": [*told]})
    elif told:
        columns = ["delivery", "status", "attempts", "created (UTC)", "last attempt"]
        show_table(columns, [delivery_row(each) for each in told], right=(2,), below=(4,), folds=0)
    else:
        typer.echo("Nothing was passed on.")


@app.command()
def replay(
    monitor: Handle,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="As 'deliveries' names it.")],
    env_file: EnvFile = None,
) -> None:
    """Have something passed on again, however it ended; a running server sends it within seconds."""

    async def work(service: "MonitorService", _db: "Database") -> str:
        return (await service.operators.replay(monitor, delivery)).id

    typer.echo(f"{_run(env_file, work)} is sent again.")


@app.command()
def listen(
    once: Annotated[bool, typer.Option("--once", help="Show the next one and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
    env_file: EnvFile = None,
) -> None:
    """Show webhooks of Parallel's as running servers take them, until Ctrl-C."""

    async def work(_service: "MonitorService", db: "Database") -> None:
        if not as_json:
            typer.echo("Listening; Ctrl-C ends.", err=True)
        async for webhook in _taken(db):
            show_webhook(webhook, as_json=as_json)
            if once:
                return

    _run(env_file, work)


async def _taken(db: "Database") -> "AsyncIterator[TakenWebhook]":
    """Webhooks from now on, each once, also where the clocks of several machines differ a little."""
    from app.store.times import now_ms

    latest = now_ms()
    seen = {each.webhook_id: each.received_at for each in await _since(db, latest - OVERLAP_MS)}
    while True:
        for each in await _since(db, latest - OVERLAP_MS):
            if each.webhook_id not in seen:
                yield each
            seen[each.webhook_id] = each.received_at
            latest = max(latest, each.received_at)
        seen = {webhook_id: at for webhook_id, at in seen.items() if at >= latest - OVERLAP_MS}
        await asyncio.sleep(LISTEN_S)


async def _since(db: "Database", since: int) -> "list[TakenWebhook]":
    """All of them, however many there are."""
    from app.store.monitors.webhooks import webhooks_since

    found = page = await webhooks_since(db, since, MOST_SHOWN)
    while len(page) == MOST_SHOWN and page[-1].received_at > page[0].received_at:
        page = await webhooks_since(db, page[-1].received_at, MOST_SHOWN)
        found = [*found, *page]
    return found


def _run(env_file: Path | None, work: "Callable[[MonitorService, Database], Awaitable[T]]") -> T:
    """Do `work` with monitors as the server has them; what fails is told, with status 1."""
    from app.settings import Settings

    async def do(db: "Database", settings: Settings) -> T:
        from app.monitor_service import open_monitors
        from app.providers.transport import open_transport

        ca_file = str(settings.ca_file) if settings.ca_file else None
        transport = open_transport(ca_file=ca_file, environ=settings.environ)
        service = open_monitors(
            settings, db, transport, settings.secret, retention_days=lambda: settings.retention_days
        )
        try:
            return await work(service, db)
        finally:
            await service.aclose()
            await transport.aclose()

    return with_settings(env_file, do)


def _parse(metadata_json: str | None) -> Any:
    if metadata_json is None:
        return None
    try:
        return json.loads(metadata_json)
    except ValueError:
        fail('--metadata-json is no JSON: write an object of texts, such as \'{"team": "a"}\'.')
