"""The client of Parallel's Monitor API, `/v1/monitors`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from app.core.errors import UpstreamInvalid
from app.core.jsonio import Json
from app.monitors.asking import DEADLINE_S, FIRST_PAUSE_S, Asking
from app.monitors.failures import in_doubt
from app.monitors.remote import ACTIVE, NewMonitor, RemoteMonitor, read_monitor, write_monitor

_PAGE = 100  # so that one with long queries and schemas is within what is read of an answer
_MOST_PAGES = 1000
_EVENTS_PAGE = 100
_MOST_EVENTS = 1000


class ParallelMonitors:
    """Asks Parallel, again after a pause with jitter where that may help (429, 5xx, no connection) and time is left.

    What must not be done twice (create, trigger) is repeated only where it was surely not done. All methods raise:

    - `Unavailable`: there is no API key.
    - `UnknownMonitor`: Parallel has none of that id.
    - `UpstreamError`: with Parallel's status, its words and their `ref_id`; with 502 and `refuses_key` for 401 and 403.
    - `UpstreamUnreachable`, `UpstreamTimeout`, `UpstreamCut`, `UpstreamInvalid`: no answer, or none that can be read.

    Where `in_doubt` of the error is set, what was asked for may have been done all the same.

    Args:
        key: gives the API key of the moment; None where there is none.
        base_url: with or without `/v1`.
        deadline_s: for one call with all its attempts, of which none begins in its last quarter; of a listing, for each page.
        first_pause_s: the bound of the first pause; that of each further one is twice as long, up to 8 s.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        key: Callable[[], str | None],
        base_url: str = "https://api.parallel.ai",
        *,
        deadline_s: float = DEADLINE_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        url = base_url.rstrip("/").removesuffix("/v1") + "/v1/monitors"
        self._asking = Asking(transport, key, url, deadline_s=deadline_s, first_pause_s=first_pause_s)

    async def create(self, asked: NewMonitor) -> RemoteMonitor:
        """Create one; it runs at once, and then at its frequency."""
        return _changed(await self._asking.ask("POST", "", write_monitor(asked), once=True))

    async def get(self, monitor_id: str) -> RemoteMonitor:
        """One, whatever its status."""
        return _monitor(await self._asking.ask("GET", _path(monitor_id)))

    async def list_active(self) -> list[RemoteMonitor]:
        """All that are active, the newest first: every page, or an error."""
        found: dict[str, RemoteMonitor] = {}
        cursor, seen = None, set[str]()
        while True:
            page, cursor = await self.list_page(cursor=cursor)
            found |= {each.id: each for each in page if each.status == ACTIVE}
            if cursor is None:
                return list(found.values())
            if cursor in seen or len(seen) >= _MOST_PAGES:
                raise UpstreamInvalid("Parallel's list of monitors does not end.")
            seen.add(cursor)

    async def list_page(
        self, *, status: Sequence[str] = (ACTIVE,), cursor: str | None = None, limit: int = _PAGE
    ) -> tuple[list[RemoteMonitor], str | None]:
        """One page, and the cursor of the next one where there is one."""
        params: list[tuple[str, str]] = [("limit", str(limit)), *(("status", each) for each in status)]
        params += [("cursor", cursor)] if cursor else []
        told = await self._asking.ask("GET", "", params=params)
        page = told.get("monitors")
        if not isinstance(page, list):
            raise UpstreamInvalid("Parallel's answer is no list of monitors.")
        return [_monitor(each) for each in page], _cursor(told)

    async def update(self, monitor_id: str, changes: Mapping[str, Json]) -> RemoteMonitor:
        """Change what is in `changes`, Parallel's `UpdateMonitorRequest`; None clears `webhook` and `metadata`."""
        return _changed(await self._asking.ask("POST", _path(monitor_id, "update"), changes))

    async def cancel(self, monitor_id: str) -> RemoteMonitor:
        """End it for good; one that has ended stays so."""
        return _changed(await self._asking.ask("POST", _path(monitor_id, "cancel")))

    async def trigger(self, monitor_id: str) -> None:
        """Let it run now, beside its frequency."""
        await self._asking.ask("POST", _path(monitor_id, "trigger"), once=True)

    async def events(self, monitor_id: str, event_group_id: str) -> list[dict[str, Any]]:
        """What one run found, as Parallel writes it, the newest first; for `read_events`. Of very many, the newest 1000."""
        found: list[dict[str, Any]] = []
        cursor, seen = None, set[str]()
        while True:
            params = [("event_group_id", event_group_id), ("limit", str(_EVENTS_PAGE))]
            params += [("cursor", cursor)] if cursor else []
            told = await self._asking.ask("GET", _path(monitor_id, "events"), params=params)
            page = told.get("events")
            if not isinstance(page, list):
                raise UpstreamInvalid("Parallel's answer is no list of events.")
            found += [each for each in page if isinstance(each, dict)]
            cursor = _cursor(told)
            # With an event group, Parallel says, cursors do not count: the same page may come over and over.
            if cursor is None or cursor in seen or not page or len(found) >= _MOST_EVENTS:
                return found[:_MOST_EVENTS]
            seen.add(cursor)


def _path(monitor_id: str, operation: str = "") -> str:
    return f"/{quote(monitor_id, safe='')}" + (f"/{operation}" if operation else "")


def _changed(told: Json) -> RemoteMonitor:
    try:
        return _monitor(told)
    except UpstreamInvalid as exc:
        raise in_doubt(exc) from None


def _monitor(told: Json) -> RemoteMonitor:
    monitor = read_monitor(told)
    if monitor is None:
        raise UpstreamInvalid("Parallel's answer tells of no monitor.")
    return monitor


def _cursor(told: Mapping[str, Json]) -> str | None:
    cursor = told.get("next_cursor")
    return cursor if isinstance(cursor, str) and cursor else None
