"""Each page of a gateway that nobody has used yet: it opens, says what to do next, and everybody can read it."""

from collections.abc import Iterator, Sequence
from typing import Literal

import pytest
from playwright.sync_api import Browser

from app.dashboard.pages import PAGES, Page
from tests.browser.viewer import NARROW, PASSWORD, WIDE, log_in, viewing
from tests.e2e.gateway import Gateway, running_gateway

LOOKS: Sequence[tuple[int, Literal["light", "dark"], Sequence[str]]] = (
    (WIDE, "light", ()),
    (WIDE, "dark", ["color-contrast"]),
    (NARROW, "dark", ()),
    (NARROW, "light", ["color-contrast"]),
)
"""Widths, colours, and the rules that can be broken there anew; none for all."""
_LEAST_CHARACTERS = 20
"""More than a heading alone."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, str]]:
    """A gateway with nothing in it, and the cookie of a login there."""
    with running_gateway(tmp_path_factory.mktemp("fresh"), environ={"ADMIN_PASSWORD": PASSWORD}) as gateway:
        yield gateway, log_in(gateway)


@pytest.mark.parametrize("page", [each for each in PAGES if "{" not in each.path], ids=lambda each: each.key)
def test_page_without_data_says_what_to_do(browser: Browser, fresh: tuple[Gateway, str], page: Page) -> None:
    gateway, cookie = fresh
    with viewing(browser, gateway, cookie) as viewer:
        main = viewer.goto(f"/admin{page.path}").locator("main")

        said = main.inner_text().replace(main.locator("h1").first.inner_text(), "", 1)
        assert len(said.strip()) >= _LEAST_CHARACTERS
        for width, theme, rules in LOOKS:
            viewer.page.set_viewport_size({"width": width, "height": 900})
            viewer.page.emulate_media(color_scheme=theme)
            assert viewer.page.evaluate("document.documentElement.scrollWidth") <= width
            assert viewer.violations(*rules) == []


def test_call_that_nobody_made_is_said_to_be_none(browser: Browser, fresh: tuple[Gateway, str]) -> None:
    gateway, cookie = fresh
    with viewing(browser, gateway, cookie) as viewer:
        viewer.expect("404")
        assert viewer.goto("/admin/requests/req_none").locator("h1").first.inner_text()
