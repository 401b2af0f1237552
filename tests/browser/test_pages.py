"""Each page opens, light and dark, wide and narrow, with nothing on the console, from nowhere else, and for everybody."""

from typing import Literal

import pytest
from playwright.sync_api import Browser

from app.dashboard.pages import PAGES
from tests.browser.viewer import NARROW, WIDE, viewing
from tests.e2e.gateway import Gateway

_PATHS = [f"/admin{page.path}" for page in PAGES if "{" not in page.path]


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize(("width", "theme"), [(WIDE, "light"), (NARROW, "dark")])
def test_page_opens_and_is_accessible(
    browser: Browser, gateway: Gateway, cookie: str, path: str, width: int, theme: Literal["light", "dark"]
) -> None:
    with viewing(browser, gateway, cookie, width=width, theme=theme) as viewer:
        page = viewer.goto(path)

        assert page.locator("h1").first.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert viewer.violations() == []
