"""A request of Parallel's Monitor API: asked again where that may help, and never where it could be done twice."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import httpx

from app import __version__
from app.core.errors import Unavailable, UpstreamFailure, UpstreamInvalid, UpstreamTimeout
from app.core.jsonio import InvalidJson, Json, dumps, loads_repaired
from app.core.retry_after import read_retry_after_s
from app.monitors.failures import KEY_VARIABLES, in_doubt, of_transport, read_failure

MOST_BYTES = 4 << 20
DEADLINE_S = 30.0
FIRST_PAUSE_S = 0.5

_LONGEST_PAUSE_S = 8.0
_CONNECT_S = 5.0
_LEAST_SHARE = 0.25  # of its time that a further attempt has: one that the deadline cuts off leaves only doubt

log = logging.getLogger(__name__)


class Asking:
    """Sends requests to `url` and below it; see `ParallelMonitors` for its arguments and for what is raised."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        key: Callable[[], str | None],
        url: str,
        *,
        deadline_s: float,
        first_pause_s: float,
    ) -> None:
        self._transport = transport
        self._key = key
        self._url = url
        self._deadline_s = deadline_s
        self._first_pause_s = first_pause_s

    async def ask(
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
                f"Monitors need an API key of Parallel: the operator of this gateway sets {KEY_VARIABLES}.",
                code="monitors_not_set_up",
            )
        content = b"" if body is None else dumps(body)
        deadline = time.monotonic() + self._deadline_s
        last_begin = deadline - self._deadline_s * _LEAST_SHARE
        bound_s, was_in_doubt = self._first_pause_s, False
        while True:
            request = self._request(method, path, params, content, key, repeatable=not once)
            try:
                return await self._attempt(request, key, deadline - time.monotonic(), names_monitor=bool(path))
            except UpstreamFailure as exc:
                was_in_doubt = was_in_doubt or (exc.in_doubt and method != "GET")
                exc.in_doubt = was_in_doubt
                pause_s = _pause_s(exc, bound_s)
                if not exc.may_pass or (once and was_in_doubt) or time.monotonic() + pause_s >= last_begin:
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
