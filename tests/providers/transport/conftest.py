"""Every test here runs on asyncio's own loop and on uvloop, which is what the gateway runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast, get_args

import httpx
import pytest
import uvloop

from app.providers.transport import Transport
from tests.providers.transport.servers import Kind, transport_of


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=get_args(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Ours, and httpx's, which serves where a proxy is set and shows that a test asks for nothing peculiar."""
    return cast("Kind", request.param)


@pytest.fixture
async def transport(kind: Kind) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """Either kind, as it is by default."""
    async with transport_of(kind) as opened:
        yield opened


@pytest.fixture
async def own() -> AsyncIterator[Transport]:
    """Only ours; the test, or the line above it, says what httpx's does instead."""
    opened = Transport()
    try:
        yield opened
    finally:
        await opened.aclose()
