"""Every test here runs on asyncio's own loop and on uvloop, which is what the gateway runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import httpx
import pytest
import uvloop

from app.providers.transport import Transport
from tests.providers.transport.servers import transport_of


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["own", "httpx"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """Ours, and httpx's to show that the test asks for nothing peculiar."""
    async with transport_of(request.param) as opened:
        yield opened


@pytest.fixture
async def own() -> AsyncIterator[Transport]:
    opened = Transport()
    try:
        yield opened
    finally:
        await opened.aclose()
