"""Single calls in a browser: the table, live and page by page, and the story of one."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.calls import HOSTILE, Calls, ask, make_calls
from tests.browser.viewer import Viewer
from tests.e2e.gateway import Gateway
from tests.e2e.standin import StandIn

LARGE = "openai/gpt-test-large"


@pytest.fixture(scope="module")
def calls(gateway: Gateway, provider: StandIn) -> Calls:
    return make_calls(gateway, provider, "requests-ann")


def test_calls_are_filtered_sorted_and_kept_in_the_address(viewer: Viewer, calls: Calls) -> None:
    page = viewer.goto(f"/admin/requests?users={calls.user}")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(4)

    page.get_by_label("Ended").select_option("error")
    expect(rows).to_have_count(1)
    assert "500 Error" in rows.inner_text()
    assert "status=error" in page.url
    viewer.goto(page.url.removeprefix(viewer.base_url))
    expect(rows).to_have_count(1)

    page.get_by_label("Ended").select_option("")
    page.get_by_label("Helper calls too").check()
    page.get_by_text("helper: designator").first.wait_for()
    page.get_by_role("button", name="Tokens in").click()
    expect(page.get_by_role("columnheader", name="Tokens in")).to_have_attribute("aria-sort", "descending")
    assert "sort=input_tokens" in page.url


def test_amount_above_zero_is_never_written_as_none(viewer: Viewer) -> None:
    amounts = ["0", "0.0000002", "0.00000023456", "0.0012345", "0.5", "1234.567", "-0.00000002"]
    write = "amounts => import(document.querySelector('script[src$=\"/relay.js\"]').src.replace('relay.js', 'format.js')).then(f => amounts.map(f.usd))"

    written = viewer.goto("/admin/requests").evaluate(write, amounts)

    assert written == ["$0.00", "$0.0000002", "$0.00000023", "$0.001235", "$0.50", "$1,234.57", "$-0.00000002"]


@pytest.mark.usefixtures("calls")
def test_new_calls_come_by_themselves_and_older_ones_page_by_page(viewer: Viewer, gateway: Gateway) -> None:
    token = gateway.add_token("requests-many")
    gateway.row_of([ask(gateway, token, LARGE) for _ in range(51)][-1])
    page = viewer.goto("/admin/requests?users=requests-many")
    rows = page.locator("tbody tr")
    page.get_by_text("51 calls").wait_for()

    ask(gateway, token, LARGE)
    page.get_by_text("52 calls").wait_for()
    page.get_by_role("button", name="Next page").click()
    expect(rows).to_have_count(2)
    expect(page.get_by_role("button", name="Next page")).to_be_disabled()
    expect(page.get_by_label("Live")).to_be_disabled()
    page.get_by_role("button", name="Previous page").click()

    expect(rows).to_have_count(50)


def test_story_of_a_call_tells_who_what_when_and_what_was_said(viewer: Viewer, calls: Calls, gateway: Gateway) -> None:
    page = viewer.goto(f"/admin/requests?users={calls.user}&status=success&order=asc")

    page.locator("tbody tr").first.get_by_role("link").click()
    page.wait_for_url(f"**/admin/requests/{calls.plain}")
    page.get_by_text(HOSTILE).wait_for()
    page.get_by_role("button", name="Show it").click()
    page.get_by_text('"content":"Hello"').wait_for()

    for words in (f"{LARGE} until the first byte", "1 attempt", f"{calls.user}-tag", "Read from the provider's cache"):
        assert page.get_by_text(words).first.is_visible(), words
    assert viewer.violations() == []
    headers = {"authorization": f"Bearer {gateway.add_token('requests-root', admin=True)}"}
    audit = httpx.get(
        f"{gateway.base_url}/admin/api/audit?action=request.bodies", headers=headers, trust_env=False
    ).json()
    assert [(each["actor"], each["subject"]) for each in audit["entries"]] == [("admin:admin", calls.plain)]


def test_story_tells_why_attempts_failed_and_leads_to_helpers(viewer: Viewer, calls: Calls) -> None:
    page = viewer.goto(f"/admin/requests/{calls.failed}")
    failures = page.get_by_role("region", name="Failures")
    assert "It is on fire." in failures.inner_text()
    assert "server_error" in failures.inner_text()

    viewer.goto(f"/admin/requests/{calls.routed}")
    assert "router:calls-router" in page.locator("main").inner_text()
    page.get_by_role("region", name="Helper calls").get_by_role("link", name="designator").first.click()
    page.get_by_text("Made for another call").wait_for()
    page.get_by_role("link", name=calls.routed).wait_for()

    viewer.expect("404")
    viewer.goto("/admin/requests/req_none")
    assert "There is no call" in page.get_by_role("alert").inner_text()
