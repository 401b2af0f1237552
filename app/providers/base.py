"""A provider that is reached by HTTP: where, how it is signed, how long it is waited for."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import lru_cache

import httpx

from app.config import ProviderConfig
from app.core.abilities import Rules
from app.core.call import Call, Target
from app.core.errors import (
    InvalidRequest,
    NotServed,
    UpstreamBusy,
    UpstreamCut,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.frozen import frozen
from app.core.jsonio import Json
from app.core.redaction import redact
from app.core.reply import JSON_TYPE, Reply
from app.dialects.convert import (
    Incoming,
    choose_dialect,
    incoming,
    incoming_error,
    outgoing,
    reply_type,
)
from app.dialects.counting import count_tokens
from app.dialects.openai.form import FORMS
from app.dialects.openai.stream import Mender
from app.dialects.splice import Additions
from app.providers.answer import Answer, Post
from app.providers.formats import FORMATS, Format, Path, fixed, read_model_list
from app.providers.http1.outgoing import Headers
from app.providers.transport import open_post

log = logging.getLogger(__name__)

# An error body is for reading, not for filling memory.
_MAX_ERROR_BYTES = 1024 * 1024
# After the last event the body's own end mostly follows at once; waited for, so that the connection can be used again.
_LINGER_S = 0.25
_MODEL_LIST_S = 15.0
# Where a client's own function is described: Anthropic's, and Gemini's in both of its spellings.
_DESCRIPTIONS = frozenset({"input_schema", "functionDeclarations", "function_declarations"})
# None of these may stand in a header (RFC 9110, 5.5); a client can have put one into the model's name.
_CONTROLS = bytes((*range(0x20), 0x7F))
# Of providers that name the model in the path there is an address a model; clients can make names up.
_MAX_ADDRESSES = 1024

FindRules = Callable[[str], Rules | None]
"""From the provider's own name for a model to what its calls must keep to."""


def _no_rules(_model: str) -> None:
    return None


class HttpProvider:
    """A provider as an entry of the configuration describes it.

    Subclasses set `mender` where a provider has ways of its own in OpenAI's dialect, and `host`, by which it is known.
    """

    host = ""
    mender: Callable[[Call, str], Mender] | None = None

    def __init__(
        self,
        key: str,
        config: ProviderConfig,
        secret: str | None,
        transport: httpx.AsyncBaseTransport,
        find_rules: FindRules = _no_rules,
    ) -> None:
        self.key = key
        self.name = config.name or key
        self._secret = secret
        self._transport = transport
        formats = [FORMATS[name] for name in config.api_format]
        self._formats = formats
        self._native = next(iter(formats[0].paths))
        paths = {dialect: (form, path) for form in formats for dialect, path in form.paths.items()}
        if config.path is not None:
            paths[self._native] = formats[0], fixed(config.path)
        self._ways = {
            dialect: _Way(
                form.root(config.base_url), path, _headers(config, form, secret, dialect), _usual(config, form)
            )
            for dialect, (form, path) in paths.items()
        }
        self._additions = Additions(
            extra=config.payload_extra_parameters,
            defaults=config.payload_default_parameters,
        )
        added = config.payload_extra_parameters.get("tools")
        self._adds_built_in_tools = isinstance(added, list) and any(map(_is_built_in, added))
        self._unsupported = config.unsupported_parameters
        self._rules_of = lru_cache(maxsize=_MAX_ADDRESSES)(find_rules)
        limits = config.timeouts
        self._limits = {
            "connect": limits.connect,
            "pool": limits.connect,
            "write": limits.idle,
            "first_byte": limits.first_byte,
            "read": limits.idle,
        }
        self._models_url = httpx.URL(formats[0].root(config.base_url) + formats[0].models_path)
        self._posts: dict[str, Post] = {}

    async def send(self, call: Call, target: Target) -> Reply:
        """Send `call` and return as soon as the first bytes for the client are here; of a whole reply, all of them.

        Raises:
            InvalidRequest: the provider cannot be asked that.
            UpstreamUnreachable: no connection within the connect timeout.
            UpstreamTimeout: nothing came within the first-byte timeout, or nothing more within the idle timeout.
            UpstreamError: the provider answered with an error status; it carries status, body and `Retry-After`.
            UpstreamInvalid: the answer is none.
            UpstreamCut: the answer broke off before the first byte for the client.
        """
        if call.dialect not in self._ways and (count := count_tokens(call)) is not None:
            return Reply(200, JSON_TYPE, count)
        dialect = self._dialect_for(call)
        sent = outgoing(call, target.model, self._additions, dialect=dialect, rules=self._rules_of(target.model))
        headers = self._judge(call, target, sent.unsupported) if sent.unsupported else []
        try:
            answer = await self._post(dialect, target.model, call.streamed)(sent.body, self._further(call, dialect))
        except httpx.TransportError as exc:
            raise self._as_failure(exc, before_first_byte=True) from exc
        try:
            # Transcriptions by some models are no streams, whatever was asked for.
            if answer.status != 200 or (call.streamed and not _is_stream(answer) and dialect not in FORMS):
                raise await self._read_refusal(answer, dialect, call)
            mender = self.mender(call, target.model) if self.mender and dialect == "openai" else None
            reading = incoming(
                call, provider=self.name, model=target.model, dialect=dialect, secret=self._secret, mender=mender
            )
            chunks = answer.chunks()
            pieces = self._read(chunks, answer, reading)
            if not call.streamed:
                whole = b"".join([piece async for piece in pieces])
                await answer.body.aclose()
                return Reply(
                    200,
                    reply_type(call) or answer.text(b"content-type"),
                    first=whole,
                    read_usage=reading.read_usage,
                    headers=headers,
                )
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
            media_type=reply_type(call) or answer.text(b"content-type"),
            first=first,
            rest=pieces,
            aclose=aclose,
            read_usage=reading.read_usage,
            read_failure=lambda: reading.failure,
            headers=headers,
        )

    async def list_models(self) -> list[str]:
        """The names of the provider's models, in its spelling and order.

        Raises:
            UpstreamFailure: it did not tell.
        """
        request = httpx.Request(
            "GET",
            self._models_url,
            headers=[*self._ways[self._native].headers, *self._ways[self._native].usual],
            extensions={"timeout": dict(self._limits)},
        )
        try:
            async with asyncio.timeout(_MODEL_LIST_S):
                answer = Answer.of(await self._transport.handle_async_request(request))
                try:
                    if answer.status != 200:
                        raise await self._read_refusal(answer, self._native)
                    body = b"".join([data async for data in answer.chunks()])
                finally:
                    await answer.body.aclose()
        except httpx.DecodingError as exc:
            raise UpstreamInvalid(f"The model list of {self.name} cannot be decompressed: {exc}.") from exc
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name} did not list its models within {_MODEL_LIST_S:g} s.") from None
        except httpx.TransportError as exc:
            raise UpstreamUnreachable(f"{self.name} cannot be reached: {self._words(exc)}.") from exc
        return read_model_list(self._formats, body, self.name)

    def _dialect_for(self, call: Call) -> str:
        """The dialect in which the provider is asked.

        Raises:
            InvalidRequest: it has nothing of the kind.
        """
        dialect = call.dialect if call.dialect in self._ways else choose_dialect(call.dialect, self._ways)
        if dialect is None:
            raise NotServed(f"{self.name} does not serve {call.surface!r}; ask for a model of another provider.")
        if dialect == "openai" and "responses" in self._ways and self._has_built_in_tools(call):
            return "responses"  # Chat Completions knows functions only
        return dialect

    def _has_built_in_tools(self, call: Call) -> bool:
        tools = call.payload.get("tools")
        asked = isinstance(tools, list) and any(map(_is_built_in, tools))
        return asked or self._adds_built_in_tools

    def _post(self, dialect: str, model: str, streamed: bool) -> Post:
        way = self._ways[dialect]
        address = way.root + way.path(model, streamed)
        post = self._posts.get(address)
        if post is None:
            if len(self._posts) >= _MAX_ADDRESSES:
                self._posts.clear()
            post = open_post(self._transport, httpx.URL(address), way.headers, self._limits)
            self._posts[address] = post
        return post

    def _further(self, call: Call, dialect: str) -> Headers:
        """The headers that are another call's another: the client's own, where it speaks the provider's dialect, else the usual."""
        usual = self._ways[dialect].usual
        if not call.headers or call.dialect != dialect:
            return usual
        names = {name for name, _ in call.headers}
        return (*call.headers, *(header for header in usual if header[0] not in names))

    def _judge(self, call: Call, target: Target, unsupported: Sequence[str]) -> list[tuple[bytes, bytes]]:
        """What is told of parameters that the provider cannot take.

        Raises:
            InvalidRequest: it is to be refused.
        """
        names = ", ".join(unsupported)
        if self._unsupported == "reject":
            raise InvalidRequest(
                f"{target} cannot take: {names}. Leave it out, or set unsupported_parameters of {self.key!r}.",
                param=unsupported[0],
                code="unsupported_parameter",
            )
        log.info("%s: %s cannot take %s", call.id, target, names)
        if self._unsupported == "drop":
            return []
        words = f"{target} cannot take: {names}"
        return [(b"x-relay-warnings", words.encode("ascii", "replace").translate(None, _CONTROLS)[:1000])]

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

    async def _read_refusal(self, answer: Answer, dialect: str, call: Call | None = None) -> UpstreamFailure:
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
            return self._error(status, body, retry_after, dialect, call)
        if status >= 300:
            return UpstreamInvalid(f"{self.name} answered with status {status}; is its base_url right?")
        if b'"error"' in body:
            return self._error(200, body, retry_after, dialect, call)
        media_type = answer.text(b"content-type") or "nothing"
        return UpstreamInvalid(f"{self.name} answered with status {status} and {media_type}, which is no completion.")

    def _error(
        self, status: int, body: bytes, retry_after: str | None, dialect: str, call: Call | None
    ) -> UpstreamFailure:
        return incoming_error(
            status,
            body,
            provider=self.name,
            retry_after=retry_after,
            secret=self._secret,
            dialect=dialect,
            goal=call.dialect if call else dialect,
        )

    def _as_failure(self, exc: httpx.TransportError, *, before_first_byte: bool) -> UpstreamFailure:
        words = self._words(exc)
        if isinstance(exc, httpx.PoolTimeout):
            return UpstreamBusy(f"Too many calls to {self.name} are under way: {words}.")
        if isinstance(exc, httpx.ConnectTimeout):
            failure = UpstreamUnreachable(
                f"{self.name} cannot be reached: {words}. Setting: timeouts.connect of {self.key!r}."
            )
            failure.may_pass = False  # it took its time already
            return failure
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

    def _words(self, exc: httpx.TransportError) -> str:
        return redact(str(exc) or type(exc).__name__, (self._secret or "",)).rstrip(".")


@frozen
class _Way:
    """How the provider is asked in one dialect. `usual` are headers of which a client of that dialect may bring its own."""

    root: str
    path: Path
    headers: Headers
    usual: Headers


def _headers(config: ProviderConfig, form: Format, secret: str | None, dialect: str) -> Headers:
    headers = {
        "Host": httpx.URL(config.base_url).netloc.decode(),
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "llm-relay",
    }
    if secret:
        name, scheme = form.key_header
        headers[name] = scheme + secret
    lower = {name.lower() for name in config.headers}
    kept = {name: value for name, value in headers.items() if name.lower() not in lower}
    written = [(name.encode(), value.encode()) for name, value in (kept | config.headers).items()]
    # That of a form tells its boundary: it is the client's.
    return [header for header in written if dialect not in FORMS or header[0].lower() != b"content-type"]


def _usual(config: ProviderConfig, form: Format) -> Headers:
    lower = {name.lower() for name in config.headers}
    return tuple((name.encode(), value.encode()) for name, value in form.headers.items() if name not in lower)


def _is_built_in(tool: Json) -> bool:
    """Whether it is a provider's own tool, such as its search of the web: in no dialect does such a one describe a function."""
    return isinstance(tool, dict) and tool.get("type") not in ("function", "custom") and not _DESCRIPTIONS & tool.keys()


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
