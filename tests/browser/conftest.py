"""A gateway with a dashboard for all tests of a process, a browser for those of a file, and a window for each."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import running_chromium
from tests.browser.viewer import PASSWORD, Viewer, log_in, viewing
from tests.e2e.conftest import PROVIDER_KEYS, providers_at
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import StandIn, running_standin


@pytest.fixture(scope="session")
def provider() -> Iterator[StandIn]:
    """Where all providers of `gateway` are."""
    with running_standin() as running:
        yield running


@pytest.fixture(scope="session")
def gateway(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One for all tests of this process: what a test makes has a name of its own."""
    environ = PROVIDER_KEYS | {"ADMIN_PASSWORD": PASSWORD}
    with running_gateway(tmp_path_factory.mktemp("dashboard"), providers_at(provider), environ) as running:
        yield running


@pytest.fixture(scope="session")
def cookie(gateway: Gateway) -> str:
    """Of the administrator's login."""
    return log_in(gateway)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """While it is there, no test of the file may be a coroutine."""
    with running_chromium() as running:
        yield running


@pytest.fixture
def viewer(browser: Browser, gateway: Gateway, cookie: str) -> Iterator[Viewer]:
    """An administrator before a wide window."""
    with viewing(browser, gateway, cookie) as opened:
        yield opened
