"""A provider that is reached by HTTP: where, how it is signed, how long it is waited for."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import httpx

from app.config import ProviderConfig
from app.core.call import Call, Target
from app.core.errors import (
    UpstreamCut,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.jsonio import InvalidJson, loads
from app.core.redaction import redact
from app.core.reply import EVENT_STREAM_TYPE, JSON_TYPE, Reply
from app.dialects.convert import Incoming, incoming, incoming_error, outgoing
from app.dialects.openai.stream import Mender
from app.dialects.splice import Additions
from app.providers.answer import Answer
from app.providers.transport import open_post

# An error body is for reading, not for filling memory.
_MAX_ERROR_BYTES = 1024 * 1024
# After the last event the body's own end mostly follows at once; waited for, so that the connection can be used again.
_LINGER_S = 0.25
_MODEL_LIST_S = 15.0


class HttpProvider:
    """An OpenAI-compatible provider, as an entry of the configuration describes it.

    Subclasses set `mender` where the provider has ways of its own.
    """

    mender: Callable[[Call, str], Mender] | None = None

    def __init__(
        self, key: str, config: ProviderConfig, secret: str | None, transport: httpx.AsyncBaseTransport
    ) -> None:
        self.key = key
        self.name = config.name or key
        self._secret = secret
        self._transport = transport
        self._models_url = httpx.URL(f"{config.base_url}/models")
        self._headers = _headers(config, secret)
        self._additions = Additions(extra=config.payload_extra_parameters, defaults=config.payload_default_parameters)
        limits = config.timeouts
        self._limits = {
            "connect": limits.connect,
            "pool": limits.connect,
            "write": limits.idle,
            "first_byte": limits.first_byte,
            "read": limits.idle,
        }
        chat_url = httpx.URL(f"{config.base_url}/chat/completions")
        self._post = open_post(transport, chat_url, self._headers, self._limits)

    async def send(self, call: Call, target: Target) -> Reply:
        """Send `call` and return as soon as the first bytes for the client are here; of a whole reply, all of them.

        Raises:
            UpstreamUnreachable: no connection within the connect timeout.
            UpstreamTimeout: nothing came within the first-byte timeout, or nothing more within the idle timeout.
            UpstreamError: the provider answered with an error status; it carries status, body and `Retry-After`.
            UpstreamInvalid: the answer is none.
            UpstreamCut: the answer broke off before the first byte for the client.
        """
        body = outgoing(call, target.model, self._additions)
        try:
            answer = await self._post(body)
        except httpx.TransportError as exc:
            raise self._as_failure(exc, before_first_byte=True) from exc
        try:
            if answer.status != 200 or (call.streamed and not _is_stream(answer)):
                raise await self._read_refusal(answer)
            mender = self.mender(call, target.model) if self.mender else None
            reading = incoming(call, provider=self.name, model=target.model, secret=self._secret, mender=mender)
            chunks = answer.chunks()
            pieces = self._read(chunks, answer, reading)
            if not call.streamed:
                whole = b"".join([piece async for piece in pieces])
                await answer.body.aclose()
                return Reply(200, JSON_TYPE, first=whole, read_usage=reading.read_usage)
            first = await anext(pieces, b"")
        except BaseException:
            await answer.body.aclose()
            raise

        async def aclose() -> None:
            try:
                await pieces.aclose()
                if reading.ended:
                    await _linger(chunks)
            finally:
                await answer.body.aclose()

        return Reply(
            status=200,
            media_type=EVENT_STREAM_TYPE,
            first=first,
            rest=pieces,
            aclose=aclose,
            read_usage=reading.read_usage,
            read_failure=lambda: reading.failure,
        )

    async def list_models(self) -> list[str]:
        """The names of the provider's models, in its spelling and order.

        Raises:
            UpstreamFailure: it did not tell.
        """
        request = httpx.Request(
            "GET", self._models_url, headers=self._headers, extensions={"timeout": dict(self._limits)}
        )
        try:
            async with asyncio.timeout(_MODEL_LIST_S):
                answer = Answer.of(await self._transport.handle_async_request(request))
                try:
                    if answer.status != 200:
                        raise await self._read_refusal(answer)
                    body = b"".join([data async for data in answer.chunks()])
                finally:
                    await answer.body.aclose()
        except httpx.DecodingError as exc:
            raise UpstreamInvalid(f"The model list of {self.name} cannot be decompressed: {exc}.") from exc
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name} did not list its models within {_MODEL_LIST_S:g} s.") from None
        except httpx.TransportError as exc:
            raise UpstreamUnreachable(f"{self.name} cannot be reached: {exc}.") from exc
        return _model_names(body, self.name)

    async def _read(
        self, chunks: AsyncIterator[bytes], answer: Answer, reading: Incoming
    ) -> AsyncGenerator[bytes, None]:
        """The client's bytes as they become known; ends when `reading` has ended or the body has."""
        try:
            async for data in chunks:
                if out := reading.feed(data):
                    yield out
                if reading.ended:
                    return
            if out := reading.close(certain=answer.framing != "close"):
                yield out
        except httpx.DecodingError as exc:
            raise UpstreamInvalid(f"The reply of {self.name} cannot be decompressed: {exc}.") from exc
        except httpx.TransportError as exc:
            raise self._as_failure(exc, before_first_byte=False) from exc

    async def _read_refusal(self, answer: Answer) -> UpstreamFailure:
        """The error that the provider's answer tells of, by its status or, where that is 200, by its body."""
        status = answer.status
        body = b""
        try:
            async for data in answer.chunks():
                body += data
                if len(body) > _MAX_ERROR_BYTES:
                    break
        except (httpx.TransportError, httpx.DecodingError):
            pass  # the status says enough
        retry_after = answer.text(b"retry-after") or None
        if 400 <= status < 600:
            return incoming_error(status, body, provider=self.name, retry_after=retry_after, secret=self._secret)
        if status >= 300:
            return UpstreamInvalid(f"{self.name} answered with status {status}; is its base_url right?")
        if b'"error"' in body:
            return incoming_error(200, body, provider=self.name, retry_after=retry_after, secret=self._secret)
        media_type = answer.text(b"content-type") or "nothing"
        return UpstreamInvalid(f"{self.name} answered with status {status} and {media_type}, which is no completion.")

    def _as_failure(self, exc: httpx.TransportError, *, before_first_byte: bool) -> UpstreamFailure:
        words = redact(str(exc) or type(exc).__name__, (self._secret or "",)).rstrip(".")
        if isinstance(exc, httpx.PoolTimeout):
            return UpstreamUnreachable(f"Too many calls to {self.name} are under way: {words}.")
        if isinstance(exc, httpx.ConnectTimeout):
            return UpstreamUnreachable(
                f"{self.name} cannot be reached: {words}. Setting: timeouts.connect of {self.key!r}."
            )
        if isinstance(exc, httpx.TimeoutException):
            setting = "first_byte" if before_first_byte and not isinstance(exc, httpx.WriteTimeout) else "idle"
            return UpstreamTimeout(f"{self.name} is too slow: {words}. Setting: timeouts.{setting} of {self.key!r}.")
        if isinstance(
            exc, httpx.ConnectError | httpx.ProxyError | httpx.UnsupportedProtocol | httpx.LocalProtocolError
        ):
            return UpstreamUnreachable(f"{self.name} cannot be reached: {words}.")
        if isinstance(exc, httpx.RemoteProtocolError) and before_first_byte:
            return UpstreamInvalid(f"{self.name} did not answer in HTTP: {words}.")
        return UpstreamCut(f"{self.name} broke off: {words}.")


def _headers(config: ProviderConfig, secret: str | None) -> list[tuple[bytes, bytes]]:
    headers = {
        "Host": httpx.URL(config.base_url).netloc.decode(),
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "llm-relay",
    }
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    lower = {name.lower() for name in config.headers}
    kept = {name: value for name, value in headers.items() if name.lower() not in lower}
    return [(name.encode(), value.encode()) for name, value in (kept | config.headers).items()]


def _is_stream(answer: Answer) -> bool:
    """Some providers mislabel their streams; these two types are none for certain."""
    media_type = answer.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return media_type not in (b"application/json", b"text/html")


async def _linger(chunks: AsyncIterator[bytes]) -> None:
    try:
        async with asyncio.timeout(_LINGER_S):
            async for _ in chunks:
                pass
    except (TimeoutError, httpx.TransportError, httpx.DecodingError):
        pass  # the client has all of it; the connection is simply not used again


def _model_names(body: bytes, provider: str) -> list[str]:
    try:
        document = loads(body)
    except InvalidJson:
        raise UpstreamInvalid(f"The model list of {provider} is not valid JSON.") from None
    # Together gives the bare list.
    entries = document.get("data") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise UpstreamInvalid(f"The model list of {provider} has no 'data'.")
    return [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
