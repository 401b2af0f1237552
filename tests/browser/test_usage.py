"""What was used, in a browser: by filters, over time, divided, and as a file."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.calls import Calls, make_calls
from tests.browser.viewer import Viewer
from tests.e2e.gateway import Gateway
from tests.e2e.standin import StandIn


@pytest.fixture(scope="module")
def calls(gateway: Gateway, provider: StandIn) -> Calls:
    return make_calls(gateway, provider, "usage-ann")


def test_usage_is_filtered_and_a_link_keeps_the_filters(viewer: Viewer, calls: Calls) -> None:
    page = viewer.goto("/admin/usage")

    page.locator("summary", has_text="Users").click()
    page.get_by_role("searchbox", name="Users").fill("usage-a")
    page.get_by_role("checkbox", name=calls.user).check()
    page.get_by_role("button", name=f"Users: {calls.user}").wait_for()
    card = page.locator(".card", has=page.get_by_text("Calls", exact=True))
    expect(card).to_contain_text("4")
    page.get_by_role("tab", name="Surface").click()
    page.get_by_role("cell", name="chat").wait_for()
    page.get_by_role("group", name="What the chart shows").get_by_role("button", name="Tokens").click()
    page.get_by_label("By", exact=True).select_option("hour")
    page.wait_for_url(f"**users={calls.user}*interval=hour*")

    viewer.goto(page.url.removeprefix(viewer.base_url))
    expect(card).to_contain_text("4")
    expect(page.get_by_role("tab", name="Surface")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("button", name="Tokens", exact=True)).to_have_attribute("aria-pressed", "true")
    assert page.get_by_role("region", name="Over time", exact=True).locator(".chart canvas").is_visible()
    assert viewer.violations() == []


def test_chosen_tab_is_stacked_over_time(viewer: Viewer, calls: Calls) -> None:
    page = viewer.goto(f"/admin/usage?users={calls.user}&by=surface&measure=calls")
    division = page.get_by_role("tabpanel")
    small, large = "openai/gpt-test-small", "openai/gpt-test-large"

    page.get_by_role("tab", name="Model").click()
    told = [f"{large}3 calls", f"{small}1 call", "openai/gpt-test-tiny0 calls"]  # the last one was asked for another
    expect(division.locator(".legend li")).to_have_text(told)
    division.get_by_text("The same as a table").click()
    table = division.get_by_role("region", name="Model over time")
    expect(table.get_by_role("columnheader", name=small)).to_be_visible()
    expect(table.get_by_role("columnheader", name=large)).to_be_visible()
    expect(division.locator(".chart canvas")).to_be_visible()
    assert viewer.violations() == []

    page.get_by_role("group", name="What the chart shows").get_by_role("button", name="Cost").click()

    expect(division.get_by_text("No price of these calls is known.")).to_be_visible()


def test_sums_are_sorted_narrowed_and_exported(viewer: Viewer, calls: Calls, tmp_path: Path) -> None:
    page = viewer.goto(f"/admin/usage?users={calls.user}&by=model&measure=calls")
    keys = page.locator("#division tbody tr td:first-child button")

    page.get_by_role("button", name="Errors").click()
    expect(keys.first).to_have_text("openai/gpt-test-small")
    page.get_by_role("button", name="openai/gpt-test-large", exact=True).click()
    expect(keys).to_have_count(1)
    with page.expect_download() as started:
        page.get_by_role("button", name="Export as CSV").click()
    started.value.save_as(tmp_path / "calls.csv")
    page.get_by_role("button", name="Show the requests").click()
    expect(page.locator("tbody tr")).to_have_count(3)

    _, *lines = (tmp_path / "calls.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert all(calls.user in line and "gpt-test-large" in line for line in lines)
