"""Links to the dashboard that stand on pages of other sites, such as a chat's."""

import html

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.viewer import COOKIE, PASSWORD, viewing
from tests.e2e.gateway import Gateway

CHAT = "http://chat.example/"


def follow(page: Page, address: str) -> None:
    """Click a link to `address` in a chat."""

    def chat(route: Route) -> None:
        route.fulfill(body=f'<!doctype html><a href="{html.escape(address)}">Look</a>', content_type="text/html")

    page.route(f"{CHAT}*", chat)
    page.goto(CHAT)
    page.get_by_role("link", name="Look").click()


@pytest.mark.parametrize("path", ["/admin/requests?days=7", "/admin/login?next=/admin/requests%3Fdays%3D7"])
def test_link_of_another_site_leads_to_its_page_without_a_login(
    browser: Browser, gateway: Gateway, cookie: str, path: str
) -> None:
    with viewing(browser, gateway, None) as viewer:
        viewer.page.context.add_cookies(
            [{"name": COOKIE, "value": cookie, "domain": "127.0.0.1", "path": "/admin", "sameSite": "Strict"}]
        )
        follow(viewer.page, f"{gateway.base_url}{path}")

        expect(viewer.page).to_have_url(f"{gateway.base_url}/admin/requests?days=7")
        expect(viewer.page.get_by_role("heading", level=1)).to_have_text("Requests")
        viewer.offences.elsewhere.remove(CHAT)


@pytest.mark.parametrize("path", ["/admin/requests?days=7", "/admin/login?next=/admin/requests%3Fdays%3D7"])
def test_link_without_a_login_leads_to_the_form_and_from_there_to_its_page(
    browser: Browser, gateway: Gateway, path: str
) -> None:
    with viewing(browser, gateway, None) as viewer:
        page = viewer.page
        follow(page, f"{gateway.base_url}{path}")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()

        expect(page).to_have_url(f"{gateway.base_url}/admin/requests?days=7")
        viewer.offences.elsewhere.remove(CHAT)
