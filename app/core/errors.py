"""What can go wrong, as a tree. Each error carries its status; one place renders it in the client's dialect.

RelayError
├── InvalidRequest            400  the client's request cannot be understood
│   └── BodyTooLarge          413
├── AuthenticationFailed      401
├── PermissionDenied          403
│   └── CallStopped           403
├── UnknownModel              404
├── RateLimited               429
│   ├── QuotaExceeded         429
│   └── LimitReached          429
│       └── BudgetExhausted   429
├── Unavailable               503  this gateway cannot serve now
│   └── CacheUnavailable      503  nor the store of a cache; calls go on without it
└── UpstreamFailure                the provider's side
    ├── UpstreamError         as the provider's status
    ├── UpstreamUnreachable   502  no connection
    ├── UpstreamInvalid       502  an answer that is none
    ├── UpstreamCut           502  the answer broke off
    └── UpstreamTimeout       504
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from app.core.jsonio import Json
from app.core.redaction import redact

Headers = Sequence[tuple[str, str]]


class RelayError(Exception):
    """Base of all that this gateway tells a client.

    Attributes:
        message: what the client is told; keys that it quotes are taken out.
        status: HTTP status.
        type: the kind, in OpenAI's words; other dialects map it.
        code: machine-readable reason, or None.
        param: the request's field that is at fault, or None.
        headers: further response headers.
        details: further fields of the error, where its shape has room for them.
        charged: whether the call keeps the unit of quota that it took. What failed at our side or the provider's is given back.
    """

    status = 500
    type = "api_error"
    code: str | None = None
    details: Mapping[str, Json] = MappingProxyType({})
    charged = False

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, headers: Headers = ()
    ) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.param = param
        self.headers = headers
        if code is not None:
            self.code = code


class InvalidRequest(RelayError):
    """The request is not well-formed; `param` names the field."""

    status = 400
    type = "invalid_request_error"


class BodyTooLarge(InvalidRequest):
    """The request body, decompressed, is over the limit."""

    status = 413
    code = "request_too_large"


class AuthenticationFailed(RelayError):
    """No token, or one that is malformed, unknown, expired or disabled."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class PermissionDenied(RelayError):
    """The token is good, but not for this."""

    status = 403
    type = "permission_error"
    code = "permission_denied"


class CallStopped(PermissionDenied):
    """An administrator stopped the call. No status at which a client would ask for the same once more."""

    code = "call_stopped"


class UnknownModel(RelayError):
    """No provider has a model of that name."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"


class RateLimited(RelayError):
    """Too many requests in a while; `Retry-After` says how long to wait."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class QuotaExceeded(RateLimited):
    """The token's calls of this day are used up."""


class LimitReached(RateLimited):
    """A limit of the token or of its user, other than calls a day, leaves no room for the call."""


class BudgetExhausted(LimitReached):
    """So does a budget."""

    type = "insufficient_quota"
    code = "insufficient_quota"


class Unavailable(RelayError):
    """This gateway cannot serve the call now."""

    status = 503
    type = "api_error"
    code = "unavailable"


class CacheUnavailable(Unavailable):
    """What semantic caches keep cannot be read or written now. It is only a cache: a call goes on as if it had nothing."""

    code = "cache_unavailable"


class NotServed(InvalidRequest):
    """The provider has the model, but not the API that the client calls, nor the state that the call builds on, nor words for it. Another may."""


class UpstreamFailure(RelayError):
    """The provider could not be reached, or failed.

    Attributes:
        may_pass: the same provider may well answer a moment later.
        in_doubt: what was asked for may have been done all the same. Told of monitors only; a completion can be asked for twice.
    """

    status = 502
    type = "upstream_error"
    may_pass = True
    in_doubt = False


class UpstreamError(UpstreamFailure):
    """The provider answered with an error status.

    Attributes:
        body: the provider's error body in its own dialect, decoded, or None where it was no JSON object.
        retry_after: the provider's `Retry-After`, as it wrote it.
        refuses_key: it is our key that the provider does not take. Most say so by a 401, some by a 400.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: Mapping[str, Json] | None = None,
        type: str | None = None,  # noqa: A002 - OpenAI's word for the kind of an error
        code: str | None = None,
        param: str | None = None,
        retry_after: str | None = None,
        refuses_key: bool = False,
    ) -> None:
        super().__init__(
            message, param=param, code=code, headers=(("retry-after", retry_after),) if retry_after else ()
        )
        self.status = status
        self.body = body
        self.retry_after = retry_after
        self.refuses_key = refuses_key or status == 401
        if type is not None:
            self.type = type

    @property
    def charged(self) -> bool:  # type: ignore[override] # decided by the status that the provider gave
        """Only what is the client's own fault is counted: not 5xx, nor our key, our credit, our rate limit."""
        return self.status < 500 and self.status not in (402, 408, 429) and not self.refuses_key


class UpstreamUnreachable(UpstreamFailure):
    """No connection to the provider."""

    code = "upstream_unreachable"


class UpstreamBusy(UpstreamUnreachable):
    """All connections to the provider that this gateway allows itself are in use; no fault of the provider's."""

    status = 503
    code = "upstream_busy"
    may_pass = False


class UpstreamInvalid(UpstreamFailure):
    """The provider's answer is not what its API promises."""

    code = "upstream_invalid_response"


class UpstreamCut(UpstreamFailure):
    """The provider's answer broke off before its end."""

    code = "upstream_cut"


class UpstreamTimeout(UpstreamFailure):
    """The provider did not answer, or fell silent, for longer than its timeout allows."""

    status = 504
    code = "upstream_timeout"
    may_pass = False


class DeadlineExceeded(UpstreamTimeout):
    """The time that the caller or the operator gave to a call was over before the first byte of an answer."""

    code = "deadline_exceeded"
