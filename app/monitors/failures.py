"""What goes wrong at Parallel, as our errors: exceptions of the transport, and answers that tell of an error."""

import httpx

from app.core.errors import (
    UpstreamBusy,
    UpstreamCut,
    UpstreamError,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.jsonio import InvalidJson, Json, dumps, loads_repaired
from app.core.redaction import redact, redact_json

KEY_VARIABLES = "PARALLELAI_API_KEY or PARALLEL_API_KEY"

_KEY_REFUSED = frozenset({401, 403})
_NOT_DONE = frozenset({429, 503})
_MOST_DETAIL = 300
_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_NOT_SENDABLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


class UnknownMonitor(UpstreamError):
    """Parallel has no monitor of that id."""


def read_failure(
    status: int, body: bytes, *, key: str, names_monitor: bool, retry_after: str | None
) -> UpstreamFailure:
    """The error that an answer without success tells of; its message has Parallel's words and their `ref_id`.

    Args:
        key: our API key, which is in no message.
        names_monitor: a monitor was asked for by its id.
    """
    if status < 400 or status > 599:
        failure: UpstreamFailure = UpstreamInvalid(
            f"Parallel answered with status {status}; is PARALLEL_BASE_URL right?"
        )
    else:
        failure = _refusal(status, _read_error(body, key), names_monitor=names_monitor, retry_after=retry_after)
    failure.may_pass = status == 429 or status >= 500
    failure.in_doubt = status == 408 or (status >= 500 and status not in _NOT_DONE)
    return failure


def of_transport(exc: httpx.TransportError, key: str) -> UpstreamFailure:
    """The failure that the transport tells of."""
    words = redact(str(exc) or type(exc).__name__, (key,)).rstrip(".")
    if isinstance(exc, httpx.PoolTimeout):
        return UpstreamBusy(f"Too many calls to Parallel are under way: {words}.")
    if isinstance(exc, _NOT_CONNECTED + _NOT_SENDABLE):
        failure = UpstreamUnreachable(f"Parallel cannot be reached: {words}.")
        failure.may_pass = isinstance(exc, _NOT_CONNECTED)
        return failure
    if isinstance(exc, httpx.TimeoutException):
        return in_doubt(UpstreamTimeout(f"Parallel is too slow: {words}."))
    return in_doubt(UpstreamCut(f"Parallel broke off: {words}."))


def in_doubt(failure: UpstreamFailure) -> UpstreamFailure:
    """The same, where what was asked for may have been done all the same."""
    failure.in_doubt = True
    return failure


def _refusal(status: int, error: dict[str, Json], *, names_monitor: bool, retry_after: str | None) -> UpstreamError:
    words = f"Parallel answered with status {status}{_written(error)}"
    if status in _KEY_REFUSED:  # to a client, Parallel's status would tell of his token
        return UpstreamError(
            f"Parallel does not take this gateway's API key; its operator sets {KEY_VARIABLES}. {words}",
            status=502,
            refuses_key=True,
        )
    told = {name: error[name] for name in ("ref_id", "detail") if error.get(name)}
    if status == 404 and names_monitor and error:  # without Parallel's own error, the address may be wrong
        return UnknownMonitor(words, status=404, code="monitor_not_found", body=told)
    return UpstreamError(words, status=status, body=told or None, retry_after=retry_after)


def _read_error(body: bytes, key: str) -> dict[str, Json]:
    """Parallel's `Error`, without secrets; of its `HTTPValidationError`, the same made from what is wrong; else empty."""
    try:
        document = redact_json(loads_repaired(body), (key,))
    except InvalidJson:
        return {}
    if not isinstance(document, dict):
        return {}
    if isinstance(error := document.get("error"), dict):
        return error
    return {"message": "the request is not valid", "detail": document["detail"]} if document.get("detail") else {}


def _written(error: dict[str, Json]) -> str:
    message, ref_id, detail = (error.get(name) for name in ("message", "ref_id", "detail"))
    words = f": {message}" if isinstance(message, str) and message else ""
    words += f" {dumps(detail).decode()[:_MOST_DETAIL]}" if detail else ""
    return words + (f" (ref_id {ref_id})" if isinstance(ref_id, str) and ref_id else ".")
