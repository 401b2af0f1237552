"""Both kinds of database, and a Parallel of the test's own with what asks it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from app.monitors.parallel import ParallelMonitors
from app.providers.transport import Transport
from tests.databases import KINDS
from tests.parallel_server import ParallelServer, running_parallel


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def parallel() -> Iterator[ParallelServer]:
    with running_parallel() as server:
        yield server


@pytest.fixture
async def remote(parallel: ParallelServer) -> AsyncIterator[ParallelMonitors]:
    transport = Transport()
    yield ParallelMonitors(transport, lambda: parallel.key, parallel.base_url, deadline_s=0.6, first_pause_s=0.01)
    await transport.aclose()
