"""Monitors at Parallel: what one is asked for with, and what one is told as."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.core.jsonio import Json

DETECTED = "monitor.event.detected"
COMPLETED = "monitor.execution.completed"
FAILED = "monitor.execution.failed"
EVENT_TYPES = (DETECTED, COMPLETED, FAILED)
"""What Parallel reports by webhook."""

OUR_KEY = "llm_relay"
"""The key in a monitor's metadata under which its id here stands."""
USER_KEY = "username"
"""And under which its user's name does."""

ACTIVE = "active"
CANCELLED = "cancelled"

_ID = re.compile(r"[\w-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewMonitor:
    """What a monitor of the kind `event_stream` is created with.

    Attributes:
        frequency: `<n>h`, `<n>d` or `<n>w`, from `1h` to `30d`.
        processor: `lite` or `base`.
        output_schema: JSON Schema of what each event is to be told in; None for text. Also as Parallel wraps it.
        event_types: of `EVENT_TYPES`, that go to `webhook_url`.
        metadata: is told with each webhook. Keys have up to 16 characters, values up to 512.
        advanced_settings: Parallel's `AdvancedMonitorSettings`.
    """

    query: str
    frequency: str
    processor: str = "lite"
    output_schema: Mapping[str, Json] | None = None
    webhook_url: str | None = None
    event_types: Sequence[str] = EVENT_TYPES
    metadata: Mapping[str, str] = field(default_factory=dict)
    advanced_settings: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class RemoteMonitor:
    """One, as Parallel has it.

    Attributes:
        status: `active` or `cancelled`.
        created_at: milliseconds since 1970; None where Parallel does not tell it.
        query: "" where it has none.
    """

    id: str
    status: str
    frequency: str
    processor: str
    created_at: int | None
    query: str
    metadata: Mapping[str, str]
    webhook_url: str | None


def write_monitor(asked: NewMonitor) -> dict[str, Any]:
    """The body that creates it: Parallel's `CreateMonitorRequest`."""
    settings: dict[str, Json] = {"query": asked.query}
    if asked.output_schema is not None:
        settings["output_schema"] = _wrapped(asked.output_schema)
    if asked.advanced_settings is not None:
        settings["advanced_settings"] = dict(asked.advanced_settings)
    body: dict[str, Json] = {
        "type": "event_stream",
        "frequency": asked.frequency,
        "processor": asked.processor,
        "settings": settings,
    }
    if asked.webhook_url is not None:
        body["webhook"] = {"url": asked.webhook_url, "event_types": list(asked.event_types)}
    if asked.metadata:
        body["metadata"] = dict(asked.metadata)
    return body


def read_monitor(told: Json) -> RemoteMonitor | None:
    """Parallel's `MonitorResponse`, or the frozen one of `/v1alpha`; None where it is neither."""
    if not isinstance(told, dict):
        return None
    monitor_id, status = told.get("monitor_id"), told.get("status")
    if not isinstance(monitor_id, str) or not _ID.fullmatch(monitor_id) or not isinstance(status, str):
        return None
    settings, webhook, metadata = (_object(told.get(name)) for name in ("settings", "webhook", "metadata"))
    return RemoteMonitor(
        id=monitor_id,
        status=CANCELLED if status == "canceled" else status,  # so `/v1alpha` spells it
        frequency=_text(told.get("frequency")),
        processor=_text(told.get("processor")),
        created_at=_read_moment(told.get("created_at")),
        query=_text(settings.get("query")) or _text(told.get("query")),
        metadata={name: value for name, value in metadata.items() if isinstance(value, str)},
        webhook_url=_text(webhook.get("url")) or None,
    )


def _wrapped(schema: Mapping[str, Json]) -> dict[str, Json]:
    if isinstance(schema.get("json_schema"), dict) and schema.keys() <= {"type", "json_schema"}:
        return dict(schema)
    return {"type": "json", "json_schema": dict(schema)}


def _read_moment(text: Json) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
