"""What Parallel refuses: bodies and parameters against its OpenAPI document, as far as monitors go."""

import re
from collections.abc import Iterator
from typing import Any

EVENT_TYPES = ("monitor.event.detected", "monitor.execution.completed", "monitor.execution.failed")
TYPES = ("event_stream", "snapshot")
STATUSES = ("active", "cancelled")

_FREQUENCY = re.compile(r"([0-9]{1,6})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_LONGEST_H = 30 * 24
_MOST_KEY, _MOST_VALUE = 16, 512


class Invalid(Exception):
    """A request that is refused with 422; `field` is the one at fault."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why


def check_new(body: Any) -> None:
    """A `CreateMonitorRequest`."""
    if not isinstance(body, dict):
        raise Invalid("body", "must be an object")
    for name in ("type", "frequency", "settings"):
        if name not in body:
            raise Invalid(name, "is required")
    if body["type"] not in TYPES:
        raise Invalid("type", f"must be one of {TYPES}")
    _check_frequency(body["frequency"])
    if body.get("processor", "lite") not in ("lite", "base"):
        raise Invalid("processor", "must be lite or base")
    _check_settings(body["settings"], "query" if body["type"] == "event_stream" else "task_run_id")
    _check_shared(body)


def check_changes(body: Any) -> None:
    """An `UpdateMonitorRequest`."""
    if not isinstance(body, dict):
        raise Invalid("body", "must be an object")
    if not body.keys() & {"frequency", "webhook", "metadata", "settings"}:
        raise Invalid("body", "at least one field must be provided")
    if "frequency" in body:
        _check_frequency(body["frequency"])
    if body.get("settings") is not None:
        if body.get("type") != "event_stream":
            raise Invalid("type", "must be event_stream where there are settings")
        _check_settings(body["settings"], None)
    _check_shared(body)


def whole(text: str | None, field: str, default: int, most: int) -> int:
    """A parameter that is a number from 1 to `most`."""
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise Invalid(field, f"must be a whole number from 1 to {most}")
    return int(text)


def _check_shared(body: dict[str, Any]) -> None:
    if (webhook := body.get("webhook")) is not None:
        if not isinstance(webhook, dict) or not isinstance(webhook.get("url"), str):
            raise Invalid("webhook.url", "must be an address")
        types = webhook.get("event_types", [])
        if not isinstance(types, list) or any(each not in EVENT_TYPES for each in types):
            raise Invalid("webhook.event_types", f"must be a list of {EVENT_TYPES}")
    if (metadata := body.get("metadata")) is not None:
        for why in _wrong_metadata(metadata):
            raise Invalid("metadata", why)


def _wrong_metadata(metadata: Any) -> Iterator[str]:
    if not isinstance(metadata, dict):
        yield "must be an object"
        return
    for name, value in metadata.items():
        if len(name) > _MOST_KEY:
            yield f"keys have up to {_MOST_KEY} characters"
        if not isinstance(value, str) or len(value) > _MOST_VALUE:
            yield f"values are texts of up to {_MOST_VALUE} characters"


def _check_frequency(frequency: Any) -> None:
    parts = _FREQUENCY.fullmatch(frequency) if isinstance(frequency, str) else None
    if parts is None or not 1 <= int(parts[1]) * _HOURS[parts[2]] <= _LONGEST_H:
        raise Invalid("frequency", "must be between 1h and 30d")


def _check_settings(settings: Any, required: str | None) -> None:
    if not isinstance(settings, dict):
        raise Invalid("settings", "must be an object")
    if required is not None and not isinstance(settings.get(required), str):
        raise Invalid(f"settings.{required}", "must be a text")
    schema = settings.get("output_schema")
    if schema is not None and not (isinstance(schema, dict) and isinstance(schema.get("json_schema"), dict)):
        raise Invalid("settings.output_schema.json_schema", "must be an object")
    advanced = settings.get("advanced_settings")
    if advanced is not None and not isinstance(advanced, dict):
        raise Invalid("settings.advanced_settings", "must be an object")
