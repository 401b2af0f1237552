"""Monitors in the OpenAPI document, which FastAPI does not see: their requests and replies."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.monitors.asked import (
    CADENCES,
    MOST_KEY_CHARACTERS,
    MOST_QUERY_CHARACTERS,
    MOST_VALUE_CHARACTERS,
    PROCESSORS,
    RESERVED_KEYS,
)
from app.monitors.desk import STATUSES

_JSON = "application/json"
_FREQUENCY = "^(([1-9][0-9]?|[1-6][0-9]{2}|7[01][0-9]|720)h|([1-9]|[12][0-9]|30)d|[1-4]w)$"
_STATUSES = [*STATUSES]
_TEXT = {"type": ["string", "null"]}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_ERROR = {
    "description": "OpenAI's error object.",
    "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_MONITOR_ID = {
    "name": "monitor_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
}
_DELIVERY_ID = {**_MONITOR_ID, "name": "delivery_id"}
_STATUS = {"name": "status", "in": "query", "schema": {"enum": _STATUSES}}
_LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}}

_REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["query"],
    "oneOf": [{"required": ["cadence"]}, {"required": ["frequency"]}],
    "properties": {
        "query": {
            "type": "string",
            "pattern": r"\S",
            "maxLength": MOST_QUERY_CHARACTERS,
            "examples": ["releases of Python"],
        },
        "cadence": {"enum": [*CADENCES]},
        "frequency": {"type": "string", "pattern": _FREQUENCY, "examples": ["6h"]},
        "processor": {"enum": [*PROCESSORS]},
        "output_schema": {"type": "object"},
        "metadata": {
            "type": "object",
            "propertyNames": {"minLength": 1, "maxLength": MOST_KEY_CHARACTERS, "not": {"enum": [*RESERVED_KEYS]}},
            "additionalProperties": {"type": "string", "maxLength": MOST_VALUE_CHARACTERS},
        },
        "forward_url": {"type": "string", "format": "uri"},
    },
    "additionalProperties": False,
}

MONITOR_SCHEMAS: dict[str, Any] = {
    "Monitor": {
        "type": "object",
        "required": ["monitor_id", "query", "status", "frequency"],
        "properties": {
            "monitor_id": {"type": "string"},
            "username": {"type": "string"},
            "query": {"type": "string"},
            "cadence": _TEXT,
            "frequency": {"type": "string"},
            "processor": {"type": "string"},
            "status": {"enum": _STATUSES},
            "reason": _TEXT,
            "created_at": _MOMENT,
            "expires_at": _MOMENT,
            "cancelled_at": _MOMENT,
            "last_run_at": _MOMENT,
            "last_error": _TEXT,
            "forward_url": _TEXT,
        },
    },
    "MonitorUpdate": {
        "type": "object",
        "required": ["id", "date", "text", "sources"],
        "properties": {
            "id": {"type": "string"},
            "date": _TEXT,
            "text": {"type": "string"},
            "sources": {"type": "array", "items": {"type": "string"}},
        },
    },
    "MonitorEventGroup": {
        "type": "object",
        "required": ["event_group_id", "monitor_id", "state", "received_at", "events"],
        "properties": {
            "event_group_id": {"type": "string"},
            "monitor_id": {"type": "string"},
            "state": {"enum": ["waiting", "pending", "empty", "delivered", "given_up"]},
            "received_at": _MOMENT,
            "fetched_at": _MOMENT,
            "delivered_at": _MOMENT,
            "attempts": {"type": "integer"},
            "last_error": _TEXT,
            "events": {"type": "array", "items": {"$ref": "#/components/schemas/MonitorUpdate"}},
        },
    },
    "MonitorDelivery": {
        "type": "object",
        "required": ["delivery_id", "event_group_id", "status", "created_at", "attempts", "log"],
        "properties": {
            "delivery_id": {"type": "string"},
            "event_group_id": {"type": "string"},
            "status": {"enum": ["pending", "delivered", "failed"]},
            "created_at": _MOMENT,
            "delivered_at": _MOMENT,
            "attempts": {"type": "integer"},
            "next_attempt_at": _MOMENT,
            "log": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"at": _MOMENT, "status": {"type": ["integer", "null"]}, "error": _TEXT},
                },
            },
        },
    },
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(key: str, name: str) -> dict[str, Any]:
    return {"type": "object", "required": [key], "properties": {key: {"type": "array", "items": _ref(name)}}}


def _operation(
    operation: str,
    summary: str,
    replies: Mapping[int, Mapping[str, Any]],
    errors: Sequence[int],
    *,
    parameters: Sequence[Mapping[str, Any]] = (),
    request: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": ["monitors"],
        "summary": summary,
        "operationId": operation,
        "parameters": list(parameters),
        "responses": {
            **{
                str(status): {"description": "The caller's own.", "content": {_JSON: {"schema": dict(schema)}}}
                for status, schema in replies.items()
            },
            **{str(status): _ERROR for status in (401, 413, 429, 503, *errors)},
        },
    }
    if request is not None:
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": dict(request)}}}
    return described


_UPSTREAM = (422, 502, 504)
_MONITOR = _ref("Monitor")
_ONE = "/v1/monitors/{monitor_id}"


def _create(operation: str) -> dict[str, Any]:
    return _operation(
        operation,
        "Watch the web for something; it takes the place of the oldest where there are as many as are allowed",
        {200: _MONITOR},
        (400, *_UPSTREAM),
        request=_REQUEST,
    )


MONITOR_PATHS: dict[str, dict[str, Any]] = {
    "/v1/monitors/create": {"post": _create("create_monitor")},
    "/v1/monitors": {
        "post": _create("create_monitor_here"),
        "get": _operation(
            "list_monitors",
            "All monitors, the newest first",
            {200: _list_of("monitors", "Monitor")},
            (400,),
            parameters=(_STATUS,),
        ),
    },
    _ONE: {
        "get": _operation("get_monitor", "One monitor", {200: _MONITOR}, (404,), parameters=(_MONITOR_ID,)),
        "delete": _operation(
            "cancel_monitor",
            "End a monitor; 202 where Parallel has not agreed yet and will be asked again",
            {200: _MONITOR, 202: _MONITOR},
            (404,),
            parameters=(_MONITOR_ID,),
        ),
    },
    f"{_ONE}/trigger": {
        "post": _operation(
            "trigger_monitor",
            "Have it run now",
            {202: _MONITOR},
            (404, 409, *_UPSTREAM),
            parameters=(_MONITOR_ID,),
        )
    },
    f"{_ONE}/events": {
        "get": _operation(
            "list_monitor_events",
            "What it found, the newest first",
            {200: _list_of("event_groups", "MonitorEventGroup")},
            (400, 404),
            parameters=(_MONITOR_ID, _LIMIT),
        )
    },
    f"{_ONE}/deliveries": {
        "get": _operation(
            "list_monitor_deliveries",
            "What was passed on to its forward_url, the newest first",
            {200: _list_of("deliveries", "MonitorDelivery")},
            (400, 404),
            parameters=(_MONITOR_ID, _LIMIT),
        )
    },
    f"{_ONE}/deliveries/{{delivery_id}}/replay": {
        "post": _operation(
            "replay_monitor_delivery",
            "Pass it on again",
            {202: _ref("MonitorDelivery")},
            (404,),
            parameters=(_MONITOR_ID, _DELIVERY_ID),
        )
    },
    "/v1/monitors/events/stream": {
        "get": {
            "tags": ["monitors"],
            "summary": "What monitors find, as it comes",
            "operationId": "stream_monitor_events",
            "parameters": [{"name": "last-event-id", "in": "header", "schema": {"type": "string"}}],
            "responses": {
                "200": {
                    "description": "Server-sent events `monitor.updates`, until the client leaves.",
                    "content": {"text/event-stream": {}},
                },
                **{str(status): _ERROR for status in (401, 413, 429, 503)},
            },
        }
    },
}
"""By their path."""
