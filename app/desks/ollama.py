"""Local servers: providers that speak Ollama's API, their models, and how these come and go."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from app.core.errors import RelayError, UpstreamFailure
from app.core.jsonio import Json
from app.providers.ollama_server import OllamaServer
from app.providers.registry import NotReady, Registry
from app.store.audit import acting
from app.store.catalog import have_lists_read
from app.store.db import Database

FORMAT = "ollama"


class NoSuchServer(LookupError):
    """No provider of that key speaks Ollama's API; the message is a sentence."""


class NoSuchLocalModel(LookupError):
    """The server has no such model; the message is a sentence."""


class ServerAway(Exception):
    """It does not answer, or is not used; the message is a sentence."""


class PullRefused(Exception):
    """The server answers, but does not do what it is asked; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on a server's disk; what it does not tell is None."""

    name: str
    size_bytes: int | None
    parameters: str | None
    quantisation: str | None
    family: str | None
    modified: str | None
    loaded_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a server says of itself."""

    version: str
    models: tuple[LocalModel, ...]


class OllamaDesk:
    """All functions raise `DatabaseUnavailable`.

    Args:
        refresh: has what was written take effect here; other workers look by themselves.
    """

    def __init__(self, db: Database, registry: Registry, refresh: Callable[[], Awaitable[None]]) -> None:
        self._db = db
        self._registry = registry
        self._refresh = refresh

    async def look(self, key: str) -> Inventory:
        """What a server says now.

        Raises:
            NoSuchServer: it is none.
            ServerAway: it does not answer.
        """
        server = self._server(key)
        try:
            version, entries = await server.version(), await server.models()
            loaded = {each.get("name"): each for each in await _loaded(server)}
        except UpstreamFailure as exc:
            raise ServerAway(exc.message) from exc
        return Inventory(version, tuple(_model(each, loaded.get(each.get("name"), {})) for each in entries))

    async def pull(self, key: str, model: str) -> AsyncGenerator[Mapping[str, Json], None]:
        """Have a server fetch a model: gives what it says of that, line by line, the first one when it has begun.

        Whoever stops reading stops it. When all of it is there, calls can have it.

        Raises:
            NoSuchServer: it is none.
            ServerAway: it does not answer, or is not used any more when all of it is there.
            PullRefused: it does not fetch that.
        """
        server = self._server(key)
        await self._version(server)
        async with acting(self._db, "ollama.pull", key, after={"model": model}):
            try:
                async with aclosing(server.pull(model)) as lines:
                    async for line in lines:
                        if line.get("status") == "success":
                            break
                        yield line
                    else:
                        raise PullRefused(f"{key!r} broke off before it had all of {model!r}.")
            except RelayError as exc:
                raise PullRefused(exc.message) from exc
        await self._lists_changed(key)
        yield line

    async def delete(self, key: str, model: str) -> None:
        """Take a model from a server's disk.

        Raises:
            NoSuchServer: it is none.
            NoSuchLocalModel: it has none of that name.
            ServerAway: it does not answer, or did not do it.
        """
        found = next((each for each in (await self.look(key)).models if each.name == model), None)
        if found is None:
            raise NoSuchLocalModel(f"{key!r} has no model {model!r}.")
        told = {"model": model, "size_bytes": found.size_bytes}
        try:
            async with acting(self._db, "ollama.delete", key, before=told):
                await self._server(key).delete(model)
        except UpstreamFailure as exc:
            raise ServerAway(exc.message) from exc
        await self._lists_changed(key)

    async def refresh(self, key: str) -> Inventory:
        """Have all workers ask for the server's models now, and give what it says."""
        inventory = await self.look(key)
        await self._lists_changed(key)
        return inventory

    async def _lists_changed(self, key: str) -> None:
        await have_lists_read(self._db)
        await self._refresh()
        try:
            await self._registry.try_out(key)
        except NotReady as exc:
            raise ServerAway(f"It is done, but the server was switched off or removed meanwhile. {exc}") from exc

    async def _version(self, server: OllamaServer) -> str:
        try:
            return await server.version()
        except UpstreamFailure as exc:
            raise ServerAway(exc.message) from exc

    def _server(self, key: str) -> OllamaServer:
        entry = self._registry.entries.get(key)
        if entry is None or FORMAT not in entry.api_format:
            raise NoSuchServer(f"There is no local server {key!r}.")
        server = self._registry.ollama(key)
        if server is None:
            state = next(each.state for each in self._registry.states if each.key == key)
            raise ServerAway(f"{key!r} is not used: {state}.")
        return server


async def _loaded(server: OllamaServer) -> list[Mapping[str, Json]]:
    try:
        return await server.loaded()
    except UpstreamFailure:  # an old one does not know that question
        return []


def _model(entry: Mapping[str, Json], loaded: Mapping[str, Json]) -> LocalModel:
    details = entry.get("details")
    details = details if isinstance(details, dict) else {}
    return LocalModel(
        _of(str, entry.get("name")) or "",
        _of(int, entry.get("size")),
        _of(str, details.get("parameter_size")),
        _of(str, details.get("quantization_level")),
        _of(str, details.get("family")),
        _of(str, entry.get("modified_at")),
        _of(int, loaded.get("size_vram")),
    )


def _of(kind: type[Any], value: Json) -> Any:
    return value if isinstance(value, kind) and value != "" else None
