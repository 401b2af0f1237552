"""What went wrong with an attempt, as the operator is told."""

import re

from app.core.call import Target
from app.core.errors import UpstreamError, UpstreamFailure, UpstreamInvalid, UpstreamTimeout
from app.core.record import Failure
from app.core.redaction import redact

# Some providers say so with a 400, a 403 or a 500.
_SAYS_NO_SUCH_MODEL = re.compile(
    r"\b(?:invalid|unknown|unrecognized|unsupported|missing|no such) model\b(?!'s|\s(?:output|response|answer|param|input|version))"
    r"|\bmodels?\b.{0,160}?\b(?:not found|(?:does|do)(?: not|n't) exist|decommissioned|has been (?:deprecated|retired|removed))\b",
    re.IGNORECASE,
)
# 402 is our credit, which is as much the operator's to mend as a key or a right.
_KINDS = {401: "auth_error", 402: "auth_error", 403: "auth_error", 404: "not_found", 408: "timeout", 429: "rate_limit"}

BREAKER_OPEN = "breaker_open"


def failure_of(exc: UpstreamFailure, target: Target) -> Failure:
    """What `exc` says of `target`."""
    return Failure(_kind(exc), target.provider, redact(target.model), _status(exc), exc.message)


def broken_stream(words: str, status: int, target: Target) -> Failure:
    """An error that `target` reported in the midst of a stream that began with `status`."""
    kind = "not_found" if _SAYS_NO_SUCH_MODEL.search(words) else "server_error"
    return Failure(kind, target.provider, redact(target.model), status, redact(words))


def breaker_opened(failure: Failure, wait_s: float) -> Failure:
    """With `failure` its target is left alone for a while."""
    message = f"It failed too often and is left alone for {wait_s:.0f} s. {failure.message}"
    return Failure(BREAKER_OPEN, failure.provider, failure.model, 0, message)


def _kind(exc: UpstreamFailure) -> str:
    if isinstance(exc, UpstreamTimeout):
        return "timeout"
    if isinstance(exc, UpstreamInvalid):
        return "server_error"
    if not isinstance(exc, UpstreamError):
        return "unreachable"
    if exc.code == "model_not_found" or _SAYS_NO_SUCH_MODEL.search(exc.message):
        return "not_found"
    if exc.refuses_key:
        return "auth_error"
    return _KINDS.get(exc.status) or ("server_error" if exc.status >= 500 else "bad_request")


def _status(exc: UpstreamFailure) -> int:
    return exc.status if isinstance(exc, UpstreamError) else 0
