"""Ollama's API for those who manage a server: its version, its models, and how they come and go (ollama/docs/api.md)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from app.core.errors import UpstreamFailure, UpstreamInvalid, UpstreamTimeout
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.providers.answer import Answer
from app.providers.failures import Failures
from app.providers.http1.outgoing import Headers

_ANSWER_S = 10.0
# Between two lines of a pull: a large model's digest is checked in silence.
_PULL_IDLE_S = 900.0
_MAX_BYTES = 32 * 1024 * 1024
_MAX_LINE_BYTES = 64 * 1024


class OllamaServer:
    """One server, at the root of its API. All functions raise `UpstreamFailure` where it does not do what it is asked."""

    def __init__(
        self, name: str, root: str, headers: Headers, failures: Failures, transport: httpx.AsyncBaseTransport
    ) -> None:
        self._name = name
        self._root = root
        self._headers = headers
        self._failures = failures
        self._transport = transport

    async def version(self) -> str:
        """Such as `0.5.1`; empty where it does not say."""
        version = (await self._ask("GET", "/version")).get("version")
        return version if isinstance(version, str) else ""

    async def models(self) -> list[Mapping[str, Json]]:
        """The entries of its list, as they are."""
        return _entries(await self._ask("GET", "/tags"))

    async def loaded(self) -> list[Mapping[str, Json]]:
        """The entries of those that are in memory."""
        return _entries(await self._ask("GET", "/ps"))

    async def delete(self, model: str) -> None:
        """Take a model from its disk."""
        await self._ask("DELETE", "/delete", {"model": model})

    async def pull(self, model: str) -> AsyncGenerator[Mapping[str, Json], None]:
        """Have it fetch a model; what it says of that, line by line. Whoever stops reading stops it."""
        async with self._answer("POST", "/pull", {"model": model, "stream": True}, idle_s=_PULL_IDLE_S) as answer:
            rest = b""
            async for data in answer.chunks():
                *lines, rest = (rest + data).split(b"\n")
                if len(rest) > _MAX_LINE_BYTES:
                    raise UpstreamInvalid(f"{self._name} sends a line that is too long.")
                for line in filter(None, map(bytes.strip, lines)):
                    yield self._read(line)
            if rest.strip():
                yield self._read(rest)

    async def _ask(self, method: str, path: str, body: Json = None) -> Mapping[str, Json]:
        said = bytearray()
        try:
            async with asyncio.timeout(_ANSWER_S), self._answer(method, path, body, idle_s=_ANSWER_S) as answer:
                async for data in answer.chunks():
                    said += data
                    if len(said) > _MAX_BYTES:
                        raise UpstreamInvalid(f"{self._name} says more than {_MAX_BYTES} bytes.")
        except TimeoutError:
            raise UpstreamTimeout(f"{self._name} did not answer within {_ANSWER_S:g} s.") from None
        return self._read(bytes(said)) if said.strip() else {}

    @asynccontextmanager
    async def _answer(self, method: str, path: str, body: Json, *, idle_s: float) -> AsyncIterator[Answer]:
        limits = {"connect": _ANSWER_S, "pool": _ANSWER_S, "write": _ANSWER_S, "first_byte": idle_s, "read": idle_s}
        request = httpx.Request(
            method,
            f"{self._root}{path}",
            headers=[header for header in self._headers if header[0].lower() != b"host"],
            content=None if body is None else dumps(body),
            extensions={"timeout": limits},
        )
        try:
            answer = Answer.of(await self._transport.handle_async_request(request))
            try:
                if answer.status != 200:
                    raise await self._failures.read(answer, "ollama", "ollama")
                yield answer
            finally:
                await answer.body.aclose()
        except httpx.TransportError as exc:
            raise self._failures.of_transport(exc, before_first_byte=False) from exc
        except httpx.DecodingError as exc:
            raise UpstreamInvalid(f"What {self._name} says cannot be decompressed.") from exc

    def _read(self, text: bytes) -> Mapping[str, Json]:
        try:
            said = loads(text)
        except InvalidJson:
            said = None
        if not isinstance(said, dict):
            raise UpstreamInvalid(f"{self._name} does not answer as Ollama does.")
        if isinstance(error := said.get("error"), str):
            raise UpstreamFailure(f"{self._name} says: {error}")
        return said


def _entries(said: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    entries = said.get("models")
    return [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
