"""The monitors and events of a stand-in, as Parallel keeps and tells them."""

import threading
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.parallel_server.checking import STATUSES, TYPES, Invalid

Json = Any

_SOURCE = "https://techcrunch.com/2025/01/15/acme-ai-series-b"


def text_event(content: str, *urls: str, **fields: Json) -> dict[str, Json]:
    """Of a monitor without an output schema; `fields` replace or add to what it has."""
    return {"event_type": "event_stream", "output": _output("text", content, urls)} | fields


def json_event(content: Mapping[str, Json], *urls: str, **fields: Json) -> dict[str, Json]:
    """Of a monitor with one."""
    return {"event_type": "event_stream", "output": _output("json", dict(content), urls)} | fields


def snapshot_event(changed: Mapping[str, Json], previous: Mapping[str, Json], *urls: str) -> dict[str, Json]:
    """Of a monitor of the kind `snapshot`."""
    return {
        "event_type": "snapshot",
        "changed_output": _output("json", dict(changed), urls),
        "previous_output": _output("json", dict(previous), urls),
    }


def alpha_event(content: str, *urls: str, output: str = "") -> dict[str, Json]:
    """In the frozen shape of `/v1alpha`, whose `output` is deprecated and may be empty."""
    return {
        "type": "event",
        "output": output,
        "source_urls": list(urls or (_SOURCE,)),
        "result": {"type": "text", "content": content},
    }


class State:
    """Monitors by their ids, in the order in which they came, and the events of each. Safe to use from any thread.

    Attributes:
        runs: ids of monitors, as often as each was triggered.
    """

    def __init__(self) -> None:
        self.monitors: dict[str, dict[str, Json]] = {}
        self.events: dict[str, list[dict[str, Json]]] = {}
        self.runs: list[str] = []
        self.lock = threading.RLock()
        self._now = datetime.now(UTC)

    def create(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """A `MonitorResponse` from a `CreateMonitorRequest`."""
        with self.lock:
            # So that no two are of one moment.
            self._now = max(self._now + timedelta(microseconds=1), datetime.now(UTC))
            settings = dict(body["settings"])
            monitor: dict[str, Json] = {
                "monitor_id": f"monitor_{uuid.uuid4().hex}",
                "type": body["type"],
                "status": "active",
                "frequency": body["frequency"],
                "processor": body.get("processor", "lite"),
                "settings": settings,
                "webhook": body.get("webhook"),
                "metadata": body.get("metadata"),
                "created_at": _written(self._now),
                "last_run_at": None,
            }
            if body["type"] == "snapshot":
                settings.setdefault("query", "What the task run was asked")
                monitor["output"] = {"latest_snapshot": None}
            self.monitors[monitor["monitor_id"]] = monitor
            self.events[monitor["monitor_id"]] = []
            return monitor

    def page(self, statuses: Sequence[str], types: Sequence[str], cursor: str | None, limit: int) -> dict[str, Json]:
        """A `PaginatedMonitorResponse`, the newest first."""
        for field, values, known in (("status", statuses, STATUSES), ("type", types, TYPES)):
            if not set(values) <= set(known):
                raise Invalid(field, f"must be of {known}")
        with self.lock:
            found = [
                monitor
                for monitor in reversed(self.monitors.values())
                if monitor["status"] in statuses and monitor["type"] in (types or TYPES)
            ]
            # A cursor is the id of the last one told, so that one created in the meantime moves nothing.
            start = _after(list(reversed(self.monitors)), cursor)
            rest = [monitor for monitor in found if monitor["monitor_id"] in start]
            return _cut("monitors", rest, limit, "monitor_id")

    def page_of_events(
        self, monitor_id: str, group: str | None, cursor: str | None, limit: int, *, with_completions: bool
    ) -> dict[str, Json]:
        """A `PaginatedMonitorEvents`, the newest first; of one group all, whatever the cursor."""
        with self.lock:
            events = list(reversed(self.events[monitor_id]))
        if group is not None:
            return {"events": [_told(each) for each in events if each.get("event_group_id") == group]}
        start = _after([each["_id"] for each in events], cursor)
        kept = [
            each
            for each in events
            if each["_id"] in start and (with_completions or each.get("event_type") != "completion")
        ]
        page = _cut("events", kept, limit, "_id")
        return page | {"events": [_told(each) for each in page["events"]]}

    def update(self, monitor_id: str, body: Mapping[str, Json]) -> dict[str, Json]:
        """The changed `MonitorResponse`."""
        with self.lock:
            monitor = self.monitors[monitor_id]
            _refuse_cancelled(monitor, "updated")
            monitor |= {name: body[name] for name in ("frequency", "webhook", "metadata") if name in body}
            if "advanced_settings" in (body.get("settings") or {}):
                monitor["settings"] = monitor["settings"] | {"advanced_settings": body["settings"]["advanced_settings"]}
            return monitor

    def cancel(self, monitor_id: str) -> dict[str, Json]:
        """The cancelled one."""
        with self.lock:
            self.monitors[monitor_id]["status"] = "cancelled"
            return self.monitors[monitor_id]

    def trigger(self, monitor_id: str) -> None:
        """Note that a run was asked for; what it finds is ordered by `ParallelServer.detect`."""
        with self.lock:
            _refuse_cancelled(self.monitors[monitor_id], "triggered")
            self.runs.append(monitor_id)

    def add_run(self, monitor_id: str, events: Sequence[Mapping[str, Json]], group: str | None = None) -> str:
        """Keep what a run found, the oldest first; the id of its event group."""
        group = group or f"mevtgrp_{uuid.uuid4().hex}{uuid.uuid4().hex[:16]}"
        with self.lock:
            now = datetime.now(UTC)
            self.monitors[monitor_id]["last_run_at"] = _written(now)
            self.events[monitor_id] += [_completed(each, group, now) for each in events]
        return group


def _output(kind: str, content: Json, urls: Sequence[str]) -> dict[str, Json]:
    citations = [{"url": url, "title": "A page", "excerpts": ["What it says."]} for url in urls or (_SOURCE,)]
    basis = {"field": "output", "citations": citations, "reasoning": "The pages say so.", "confidence": "high"}
    return {"type": kind, "content": content, "basis": [basis]}


def _completed(event: Mapping[str, Json], group: str, now: datetime) -> dict[str, Json]:
    own: dict[str, Json] = {"_id": uuid.uuid4().hex}
    if event.get("event_type") in ("completion", "error"):
        return {**own, "timestamp": _written(now), **event}
    own |= {"event_group_id": group, "event_date": now.date().isoformat()}
    if event.get("type") != "event":  # as of `/v1`
        # The OpenAPI document says monitor_group_id, the guide and the recordings event_group_id.
        own |= {"event_id": f"evt_{uuid.uuid4().hex[:12]}", "monitor_group_id": group}
    return {**own, **event}


def _told(event: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in event.items() if name != "_id"}


def _after(ids: Sequence[str], cursor: str | None) -> set[str]:
    if cursor is None:
        return set(ids)
    if cursor not in ids:
        raise Invalid("cursor", "is not valid")
    return set(ids[ids.index(cursor) + 1 :])


def _cut(name: str, rest: Sequence[dict[str, Json]], limit: int, cursor: str) -> dict[str, Json]:
    page: dict[str, Json] = {name: rest[:limit]}
    return page | {"next_cursor": rest[limit - 1][cursor]} if len(rest) > limit else page


def _refuse_cancelled(monitor: Mapping[str, Json], done: str) -> None:
    if monitor["status"] == "cancelled":
        raise Invalid("monitor_id", f"cancelled monitors cannot be {done}")


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
