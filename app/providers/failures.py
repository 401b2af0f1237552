"""What goes wrong at one provider, as our errors: exceptions of the transport, and answers that tell of an error."""

import httpx

from app.core.errors import (
    UpstreamBusy,
    UpstreamCut,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.redaction import redact
from app.dialects.convert import incoming_error
from app.providers.answer import Answer

# An error body is for reading, not for filling memory.
_MAX_ERROR_BYTES = 1024 * 1024


class Failures:
    """Gives the failures of a provider by its key in the configuration, its name and its API key, which none of them tells."""

    def __init__(self, key: str, name: str, secret: str | None) -> None:
        self._key = key
        self._name = name
        self._secret = secret

    async def read(self, answer: Answer, dialect: str, goal: str) -> UpstreamFailure:
        """The error that `answer` tells of, by its status or, where that is 200, by its body.

        Args:
            dialect: in which the provider was asked.
            goal: the client's.
        """
        status = answer.status
        body = b""
        try:
            async for data in answer.chunks():
                body += data
                if len(body) > _MAX_ERROR_BYTES:
                    break
        except (httpx.TransportError, httpx.DecodingError):
            pass  # the status says enough
        is_error = 400 <= status < 600
        if status >= 300 and not is_error:
            return UpstreamInvalid(f"{self._name} answered with status {status}; is its base_url right?")
        if not is_error and b'"error"' not in body:
            media_type = answer.text(b"content-type") or "nothing"
            return UpstreamInvalid(
                f"{self._name} answered with status {status} and {media_type}, which is no completion."
            )
        return incoming_error(
            status if is_error else 200,
            body,
            provider=self._name,
            retry_after=answer.text(b"retry-after") or None,
            secret=self._secret,
            dialect=dialect,
            goal=goal,
        )

    def of_transport(self, exc: httpx.TransportError, *, before_first_byte: bool) -> UpstreamFailure:
        """The failure that the transport tells of."""
        words = self.words(exc)
        if isinstance(exc, httpx.PoolTimeout):
            return UpstreamBusy(f"Too many calls to {self._name} are under way: {words}.")
        if isinstance(exc, httpx.ConnectTimeout):
            failure = UpstreamUnreachable(
                f"{self._name} cannot be reached: {words}. Setting: timeouts.connect of {self._key!r}."
            )
            failure.may_pass = False  # it took its time already
            return failure
        if isinstance(exc, httpx.TimeoutException):
            setting = "first_byte" if before_first_byte and not isinstance(exc, httpx.WriteTimeout) else "idle"
            return UpstreamTimeout(f"{self._name} is too slow: {words}. Setting: timeouts.{setting} of {self._key!r}.")
        if isinstance(
            exc, httpx.ConnectError | httpx.ProxyError | httpx.UnsupportedProtocol | httpx.LocalProtocolError
        ):
            return UpstreamUnreachable(f"{self._name} cannot be reached: {words}.")
        if isinstance(exc, httpx.RemoteProtocolError) and before_first_byte:
            return UpstreamInvalid(f"{self._name} did not answer in HTTP: {words}.")
        return UpstreamCut(f"{self._name} broke off: {words}.")

    def words(self, exc: httpx.TransportError) -> str:
        """What the transport says, without the API key."""
        return redact(str(exc) or type(exc).__name__, (self._secret or "",)).rstrip(".")
