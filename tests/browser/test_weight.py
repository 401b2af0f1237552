"""What a page needs before it is shown: little, and of that next to nothing the second time."""

import pytest
from playwright.sync_api import Browser, Response

from tests.browser.screenshots import paths
from tests.browser.viewer import viewing
from tests.e2e.gateway import Gateway

_MOST_BYTES = 250_000
_YEAR_S = 31_536_000
_PATHS = {"login": "/admin/login"} | paths("req_none")


@pytest.mark.parametrize("path", _PATHS.values(), ids=list(_PATHS))
def test_first_paint_needs_little(browser: Browser, gateway: Gateway, cookie: str, path: str) -> None:
    with viewing(browser, gateway, None if path == "/admin/login" else cookie) as viewer:
        viewer.expect("404")
        responses: list[Response] = []
        viewer.page.on("response", lambda response: responses.append(response))
        viewer.goto(path)

        loaded = [
            each
            for each in responses
            if each.request.resource_type in ("document", "script", "stylesheet", "image", "font")
        ]
        weights = {each.url: each.request.sizes()["responseBodySize"] for each in loaded}
        assert sum(weights.values()) <= _MOST_BYTES, weights
        for each in loaded:
            if "/static/" in each.url:
                assert f"max-age={_YEAR_S}" in each.headers["cache-control"], each.url
