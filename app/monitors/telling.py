"""How monitors and what they found are told: as JSON, by the API and by commands."""

from urllib.parse import urlsplit

from app.core.jsonio import Json
from app.core.moments import write_moment
from app.monitors.asked import cadence_of, hours_of
from app.monitors.creating import Created
from app.store.monitors.deliveries import Delivery
from app.store.monitors.events import ListedGroup
from app.store.monitors.rows import Monitor
from app.store.monitors.webhooks import TakenWebhook
from app.store.times import MS_PER_HOUR, from_ms


def told_monitor(monitor: Monitor) -> dict[str, Json]:
    """One monitor; never what its messages are signed with."""
    return {
        "monitor_id": monitor.handle,
        "username": monitor.username,
        "query": monitor.query,
        "cadence": cadence_of(monitor.frequency),
        "frequency": monitor.frequency,
        "processor": monitor.processor,
        "status": monitor.status,
        "reason": monitor.reason,
        "created_at": _moment(monitor.created_at),
        "expires_at": _moment(monitor.expires_at),
        "cancelled_at": _moment(monitor.cancelled_at),
        "last_run_at": _moment(monitor.last_run_at),
        "last_error": monitor.last_error,
        "forward_url": monitor.forward_url,
    }


def told_for_operators(monitor: Monitor) -> dict[str, Json]:
    """The same for those who manage all of them: with our id, and of the address that it is forwarded to the host alone."""
    told = told_monitor(monitor)
    url = told.pop("forward_url")
    return told | {"id": monitor.id, "forwards_to": urlsplit(url).hostname if url else None}


def told_created(created: Created) -> dict[str, Json]:
    """A new monitor; the only time that its forward secret is told."""
    monitor = created.monitor
    told = told_monitor(monitor) | {
        "webhook_url": created.webhook_url,
        "message": _words_of(created),
        "replaced": [each.handle for each, _ in created.replaced],
    }
    return told | {"forward_secret": monitor.forward_secret} if monitor.forward_secret else told


def told_events(group: ListedGroup, handle: str) -> dict[str, Json]:
    """An event group of the monitor that its user calls `handle`."""
    return {
        "event_group_id": group.id,
        "monitor_id": handle,
        "state": group.state,
        "received_at": _moment(group.received_at),
        "fetched_at": _moment(group.fetched_at),
        "delivered_at": _moment(group.processed_at),
        "attempts": group.attempts,
        "last_error": group.last_error,
        "events": [dict(each) for each in group.events],
    }


def told_delivery(delivery: Delivery) -> dict[str, Json]:
    """One, with its last attempts, the newest last."""
    return {
        "delivery_id": delivery.id,
        "event_group_id": delivery.event_group_id,
        "status": delivery.status,
        "created_at": _moment(delivery.created_at),
        "delivered_at": _moment(delivery.delivered_at),
        "attempts": delivery.attempts,
        "next_attempt_at": _moment(delivery.retry_at),
        "log": [each | {"at": _moment(each["at"])} for each in delivery.log],
    }


def told_webhook(webhook: TakenWebhook) -> dict[str, Json]:
    """One of Parallel's, and what came of it."""
    return {
        "received_at": _moment(webhook.received_at),
        "webhook_id": webhook.webhook_id,
        "type": webhook.type,
        "monitor_id": webhook.parallel_id,
        "event_group_id": webhook.event_group_id,
        "result": webhook.result,
    }


def _words_of(created: Created) -> str:
    monitor = created.monitor
    until = from_ms(monitor.expires_at)
    words = f"Watching until {until:%Y-%m-%d %H:%M} UTC. Ask the model 'speed' for updates."
    if hours_of(monitor.frequency) * MS_PER_HOUR >= monitor.expires_at - monitor.created_at:
        words += " It runs once now; it is ended before its next run (setting MONITOR_LIFETIME_HOURS)."
    for each, why in created.replaced:
        words += f" It takes the place of {each.handle}"
        words += f", which Parallel has not cancelled yet and will be asked for again ({why})." if why else "."
    return words


def _moment(ms: int | None) -> str | None:
    return None if ms is None else write_moment(from_ms(ms))
