"""A provider that is reached by HTTP: where, how it is signed, how long it is waited for."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from functools import lru_cache

import httpx

from app.config import ProviderConfig
from app.core.abilities import Rules
from app.core.call import Call, Target
from app.core.errors import InvalidRequest, UpstreamInvalid, UpstreamTimeout, UpstreamUnreachable
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.reply import JSON_TYPE, Reply
from app.dialects.convert import Incoming, incoming, outgoing, reply_type
from app.dialects.counting import count_tokens
from app.dialects.openai.form import FORMS
from app.dialects.openai.stream import Mender
from app.providers.answer import Answer, Post
from app.providers.failures import Failures
from app.providers.formats import OLLAMA_SHOW
from app.providers.ollama_server import OllamaServer
from app.providers.told import Told
from app.providers.transport import open_post
from app.providers.ways import Ways

log = logging.getLogger(__name__)

# After the last event the body's own end mostly follows at once; waited for, so that the connection can be used again.
_LINGER_S = 0.25
_MODEL_LIST_S = 15.0
_DESCRIBE_S = 2.0
# OpenRouter's, the longest, has less than one.
_MAX_LIST_BYTES = 32 * 1024 * 1024
# None of these may stand in a header (RFC 9110, 5.5); a client can have put one into the model's name.
_CONTROLS = bytes((*range(0x20), 0x7F))
# Of providers that name the model in the path there is an address a model; clients can make names up.
_MAX_ADDRESSES = 1024
_MOST_NAMES = 20
_MOST_NAME_CHARACTERS = 60

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
        self._ways = Ways(self.name, config, secret)
        self._failures = Failures(key, self.name, secret)
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
        if call.dialect not in self._ways.by_dialect and (count := count_tokens(call)) is not None:
            return Reply(200, JSON_TYPE, count)
        dialect = self._ways.choose(call)
        additions, rules = self._ways.by_dialect[dialect].additions, self._rules_of(target.model)
        sent = outgoing(call, target.model, additions, dialect=dialect, rules=rules)
        reading: Incoming | None = None
        headers = self._judge(call, target, sent.unsupported) if sent.unsupported else []
        try:
            answer = await self._post(dialect, target.model, call.streamed)(
                sent.body, self._ways.further(call, dialect)
            )
        except httpx.TransportError as exc:
            raise self._failures.of_transport(exc, before_first_byte=True) from exc
        except asyncio.CancelledError:
            call.trace.used = self._open_reading(call, target, dialect).read_usage()
            raise
        try:
            # Transcriptions by some models are no streams, whatever was asked for.
            if answer.status != 200 or (call.streamed and not _is_stream(answer) and dialect not in FORMS):
                raise await self._failures.read(answer, dialect, call.dialect)
            reading = self._open_reading(call, target, dialect)
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
        except BaseException as exc:
            if isinstance(exc, asyncio.CancelledError) and reading is not None:
                call.trace.used = reading.read_usage()
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
            ending=reading,
        )

    async def list_models(self) -> list[Told]:
        """What the provider tells of its models, in its spelling and order.

        Raises:
            UpstreamFailure: it did not tell.
        """
        request = httpx.Request(
            "GET",
            self._ways.models_url,
            headers=self._ways.models_headers,
            extensions={"timeout": dict(self._limits)},
        )
        try:
            async with asyncio.timeout(_MODEL_LIST_S):
                answer = Answer.of(await self._transport.handle_async_request(request))
                try:
                    if answer.status != 200:
                        raise await self._failures.read(answer, self._ways.native, self._ways.native)
                    body = await self._read_list(answer)
                finally:
                    await answer.body.aclose()
        except httpx.DecodingError as exc:
            raise UpstreamInvalid(f"The model list of {self.name} cannot be decompressed: {exc}.") from exc
        except TimeoutError:
            raise UpstreamTimeout(f"{self.name} did not list its models within {_MODEL_LIST_S:g} s.") from None
        except httpx.TransportError as exc:
            raise UpstreamUnreachable(f"{self.name} cannot be reached: {self._failures.words(exc)}.") from exc
        return self._ways.read_model_list(body)

    async def describe(self, model: str) -> Mapping[str, Json] | None:
        """What the provider itself says of a model, as /api/show of Ollama's API; None where it has no such call, or does not answer."""
        if OLLAMA_SHOW not in self._ways.by_dialect:
            return None
        try:
            async with asyncio.timeout(_DESCRIBE_S):
                answer = await self._post(OLLAMA_SHOW, model, streamed=False)(dumps({"model": model}))
                try:
                    described = loads(await self._read_list(answer)) if answer.status == 200 else None
                finally:
                    await answer.body.aclose()
        except (httpx.TransportError, httpx.DecodingError, InvalidJson, UpstreamInvalid, TimeoutError) as exc:
            log.info("%s does not describe %s: %s", self.name, model, type(exc).__name__)
            return None
        return described if isinstance(described, dict) else None

    def ollama(self) -> OllamaServer | None:
        """What manages the server's models; None where it does not speak Ollama's API."""
        way = self._ways.by_dialect.get(OLLAMA_SHOW)
        return None if way is None else OllamaServer(self.name, way.root, way.headers, self._failures, self._transport)

    def _open_reading(self, call: Call, target: Target, dialect: str) -> Incoming:
        mender = self.mender(call, target.model) if self.mender and dialect == "openai" else None
        return incoming(
            call, provider=self.name, model=target.model, dialect=dialect, secret=self._secret, mender=mender
        )

    async def _read_list(self, answer: Answer) -> bytes:
        body = bytearray()
        async for data in answer.chunks():
            body += data
            if len(body) > _MAX_LIST_BYTES:
                raise UpstreamInvalid(f"The model list of {self.name} is longer than {_MAX_LIST_BYTES} bytes.")
        return bytes(body)

    def _post(self, dialect: str, model: str, streamed: bool) -> Post:
        way = self._ways.by_dialect[dialect]
        address = way.root + way.path(model, streamed)
        post = self._posts.get(address)
        if post is None:
            if len(self._posts) >= _MAX_ADDRESSES:
                self._posts.clear()
            post = open_post(self._transport, httpx.URL(address), way.headers, self._limits)
            self._posts[address] = post
        return post

    def _judge(self, call: Call, target: Target, unsupported: Sequence[str]) -> list[tuple[bytes, bytes]]:
        """What is told of parameters that the provider cannot take.

        Raises:
            InvalidRequest: it is to be refused.
        """
        names = ", ".join(unsupported)
        if self._unsupported == "reject" and call.helper is None:  # what the gateway itself says, nobody can leave out
            raise InvalidRequest(
                f"{target} cannot take: {names}. Leave it out, or set unsupported_parameters of {self.key!r}.",
                param=unsupported[0],
                code="unsupported_parameter",
            )
        log.info("%s: %s cannot take %s", call.id, target, names)
        # A client can make up as many as it likes, and as long.
        call.trace.warnings = tuple(name[:_MOST_NAME_CHARACTERS] for name in unsupported[:_MOST_NAMES])
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
            out = reading.close(certain=answer.framing != "close")
            reading.ended = True
            if out:
                yield out
        except httpx.DecodingError as exc:
            raise UpstreamInvalid(f"The reply of {self.name} cannot be decompressed: {exc}.") from exc
        except httpx.TransportError as exc:
            raise self._failures.of_transport(exc, before_first_byte=False) from exc


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
