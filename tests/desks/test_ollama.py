"""Local servers that somebody takes away while models come and go there."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.config import Config, ProviderConfig
from app.desks.ollama import OllamaDesk, ServerAway
from app.providers.registry import NotReady, Registry
from app.store.db import Database

ENTRY = ProviderConfig(base_url="http://shed.test", api_format=("ollama",))


def no_secret(_names: object) -> None:
    """No provider here has a key."""


async def pulled() -> AsyncIterator[bytes]:
    yield b'{"status": "pulling manifest"}\n'
    yield b'{"status": "success"}\n'


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/api/pull":
        return httpx.Response(200, content=pulled())
    return httpx.Response(200, json={"version": "0.12.3", "models": [{"name": "llama3.2:3b"}]})


@pytest.mark.parametrize(
    ("left", "why"),
    [({"shed": ENTRY.model_copy(update={"enabled": False})}, "disabled"), ({}, "there is no such provider")],
    ids=["switched off", "removed"],
)
async def test_server_that_is_taken_away_during_a_pull_is_told_of(
    left: dict[str, ProviderConfig], why: str, database: Database
) -> None:
    registry = Registry(Config({"shed": ENTRY}), no_secret, httpx.MockTransport(answer))

    async def refresh() -> None:
        registry.reload(Config(left), no_secret)

    lines = OllamaDesk(database, registry, refresh).pull("shed", "llama3.2:3b")
    first = await anext(lines)
    with pytest.raises(ServerAway, match=f"It is done, .* 'shed' cannot be used: {why}\\."):
        await anext(lines)

    assert first == {"status": "pulling manifest"}
    with pytest.raises(NotReady):
        await registry.try_out("shed")
