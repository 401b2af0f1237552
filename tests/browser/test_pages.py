"""Each page of a gateway that was used for weeks: light and dark, on a desk and on a telephone, from nowhere else, and for everybody."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from app.dashboard.pages import PAGES
from tests.browser.sample import fill_gateway
from tests.browser.viewer import NARROW, NARROWEST, PASSWORD, WIDE, log_in, viewing
from tests.e2e.gateway import Gateway


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, str]]:
    """A gateway with the sample's data, and the cookie of a login there."""
    gateway = Gateway(tmp_path_factory.mktemp("used"), environ={"ADMIN_PASSWORD": PASSWORD})
    fill_gateway(gateway, calls=600, days=20)
    gateway.start()
    yield gateway, log_in(gateway)
    gateway.stop()


@pytest.mark.parametrize("path", [page.path for page in PAGES])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_page_with_data_opens_and_is_accessible(
    browser: Browser, used: tuple[Gateway, str], path: str, width: int
) -> None:
    gateway, cookie = used
    call = next(row["id"] for row in reversed(gateway.rows()) if row["router"])
    with viewing(browser, gateway, cookie, width=width) as viewer:
        page = viewer.goto(f"/admin{path.replace('{id}', call)}")

        assert page.locator("h1").first.inner_text()
        assert viewer.violations() == []
        page.emulate_media(color_scheme="dark")
        assert viewer.violations("color-contrast") == []
        for narrow in (width, *([NARROWEST] if width == NARROW else [])):
            page.set_viewport_size({"width": narrow, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= narrow
