"""The client of Parallel's Monitor API, `/v1/monitors`."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from app import __version__
from app.core.errors import Unavailable, UpstreamFailure, UpstreamInvalid, UpstreamTimeout
from app.core.jsonio import InvalidJson, Json, dumps, loads_repaired
from app.core.retry_after import read_retry_after_s
from app.monitors.failures import KEY_VARIABLES, in_doubt, of_transport, read_failure
from app.monitors.remote import ACTIVE, NewMonitor, RemoteMonitor, read_monitor, write_monitor

MOST_BYTES = 4 << 20
DEADLINE_S = 30.0

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_CONNECT_S = 5.0
_PAGE = 100  # so that one with long queries and schemas is within `MOST_BYTES`
_MOST_PAGES = 1000
_EVENTS_PAGE = 100
_MOST_EVENTS = 1000

log = logging.getLogger(__name__)


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
        deadline_s: for one call with all its attempts; of a listing, for each page.
        first_pause_s: the bound of the first pause; that of each further one is twice as long, up to 8 s.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        key: Callable[[], str | None],
        base_url: str = "https://api.parallel.ai",
        *,
        deadline_s: float = DEADLINE_S,
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self._transport = transport
        self._key = key
        self._url = base_url.rstrip("/").removesuffix("/v1") + "/v1/monitors"
        self._deadline_s = deadline_s
        self._first_pause_s = first_pause_s

    async def create(self, asked: NewMonitor) -> RemoteMonitor:
        """Create one; it runs at once, and then at its frequency."""
        return _monitor(await self._ask("POST", "", write_monitor(asked), once=True))

    async def get(self, monitor_id: str) -> RemoteMonitor:
        """One, whatever its status."""
        return _monitor(await self._ask("GET", _path(monitor_id)))

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
        told = await self._ask("GET", "", params=params)
        page = told.get("monitors")
        if not isinstance(page, list):
            raise UpstreamInvalid("Parallel's answer is no list of monitors.")
        return [_monitor(each) for each in page], _cursor(told)

    async def update(self, monitor_id: str, changes: Mapping[str, Json]) -> RemoteMonitor:
        """Change what is in `changes`, Parallel's `UpdateMonitorRequest`; None clears `webhook` and `metadata`."""
        return _monitor(await self._ask("POST", _path(monitor_id, "update"), changes))

    async def cancel(self, monitor_id: str) -> RemoteMonitor:
        """End it for good; one that has ended stays so."""
        return _monitor(await self._ask("POST", _path(monitor_id, "cancel")))

    async def trigger(self, monitor_id: str) -> None:
        """Let it run now, beside its frequency."""
        await self._ask("POST", _path(monitor_id, "trigger"), once=True)

    async def events(self, monitor_id: str, event_group_id: str) -> list[dict[str, Any]]:
        """What one run found, as Parallel writes it, the newest first; for `read_events`. Of very many, the newest 1000."""
        found: list[dict[str, Any]] = []
        cursor, seen = None, set[str]()
        while True:
            params = [("event_group_id", event_group_id), ("limit", str(_EVENTS_PAGE))]
            params += [("cursor", cursor)] if cursor else []
            told = await self._ask("GET", _path(monitor_id, "events"), params=params)
            page = told.get("events")
            if not isinstance(page, list):
                raise UpstreamInvalid("Parallel's answer is no list of events.")
            found += [each for each in page if isinstance(each, dict)]
            cursor = _cursor(told)
            # With an event group, Parallel says, cursors do not count: the same page may come over and over.
            if cursor is None or cursor in seen or not page or len(found) >= _MOST_EVENTS:
                return found[:_MOST_EVENTS]
            seen.add(cursor)

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Json] | None = None,
        params: Sequence[tuple[str, str]] = (),
        *,
        once: bool = False,
    ) -> dict[str, Json]:
        """What Parallel answers with; empty where that is nothing.

        Args:
            once: it is not repeated where it may have been done.
        """
        key = self._key()
        if not key:
            raise Unavailable(
                f"Monitors need an API key of Parallel: the operator of this gateway sets {KEY_VARIABLES}."
            )
        content = b"" if body is None else dumps(body)
        deadline = time.monotonic() + self._deadline_s
        bound_s, was_in_doubt = self._first_pause_s, False
        while True:
            request = self._request(method, path, params, content, key, repeatable=not once)
            try:
                return await self._attempt(request, key, deadline - time.monotonic(), names_monitor=bool(path))
            except UpstreamFailure as exc:
                was_in_doubt = was_in_doubt or (exc.in_doubt and method != "GET")
                exc.in_doubt = was_in_doubt
                pause_s = _pause_s(exc, bound_s)
                if not exc.may_pass or (once and was_in_doubt) or time.monotonic() + pause_s >= deadline:
                    raise
                log.info("Parallel is asked again in %.2f s: %s", pause_s, exc.message)
            await asyncio.sleep(pause_s)
            bound_s = min(bound_s * 2, _LONGEST_PAUSE_S)

    def _request(
        self, method: str, path: str, params: Sequence[tuple[str, str]], content: bytes, key: str, *, repeatable: bool
    ) -> httpx.Request:
        headers = {
            b"x-api-key": key.encode(),
            b"user-agent": f"LLM-Relay/{__version__}".encode(),
            b"accept": b"application/json",
            b"accept-encoding": b"identity",
        }
        if method == "POST":
            headers[b"content-length"] = b"%d" % len(content)
        if content:
            headers[b"content-type"] = b"application/json"
        # What it holds in memory, the transport sends anew where a kept connection turns out to be closed.
        stream = content if repeatable else _read_once(content)
        url = httpx.URL(self._url + path, params=list(params) or None)
        return httpx.Request(method, url, headers=headers, content=stream)

    async def _attempt(
        self, request: httpx.Request, key: str, left_s: float, *, names_monitor: bool
    ) -> dict[str, Json]:
        limits = dict.fromkeys(("write", "first_byte", "read"), max(0.0, left_s))
        # Less than all of the time, so that a failed connection is known as such, and tried again.
        limits |= dict.fromkeys(("pool", "connect"), max(0.0, min(_CONNECT_S, left_s / 2)))
        request.extensions["timeout"] = limits
        try:
            async with asyncio.timeout(left_s):
                response = await self._transport.handle_async_request(request)
                try:
                    body = await _read_bounded(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise in_doubt(UpstreamTimeout(f"Parallel did not answer within {self._deadline_s:g} s.")) from None
        except httpx.TransportError as exc:
            raise of_transport(exc, key) from exc
        if not response.is_success:
            retry_after = response.headers.get("retry-after")
            raise read_failure(
                response.status_code, body, key=key, names_monitor=names_monitor, retry_after=retry_after
            )
        return _read_object(body)


def _path(monitor_id: str, operation: str = "") -> str:
    return f"/{quote(monitor_id, safe='')}" + (f"/{operation}" if operation else "")


def _pause_s(failure: UpstreamFailure, bound_s: float) -> float:
    """With full jitter; what Parallel asks for is the least."""
    told = read_retry_after_s(dict(failure.headers).get("retry-after"))
    return (told or 0.0) + random.uniform(0, bound_s)


async def _read_once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _read_bounded(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > MOST_BYTES:
            failure = in_doubt(UpstreamInvalid(f"Parallel's answer is larger than {MOST_BYTES >> 20} MiB."))
            failure.may_pass = False
            raise failure
    return bytes(body)


def _read_object(body: bytes) -> dict[str, Json]:
    if not body:
        return {}
    try:
        told = loads_repaired(body)
    except InvalidJson:
        told = None
    if not isinstance(told, dict):
        raise in_doubt(UpstreamInvalid("Parallel's answer is no JSON object."))
    return told


def _monitor(told: Json) -> RemoteMonitor:
    monitor = read_monitor(told)
    if monitor is None:
        raise in_doubt(UpstreamInvalid("Parallel's answer tells of no monitor."))
    return monitor


def _cursor(told: Mapping[str, Json]) -> str | None:
    cursor = told.get("next_cursor")
    return cursor if isinstance(cursor, str) and cursor else None
