"""The live log in a browser."""

import httpx
from playwright.sync_api import expect

from tests.browser.viewer import Viewer
from tests.e2e.gateway import Gateway


def log_a_line(gateway: Gateway, token: str, days: int) -> str:
    """A setting that changes is told in the log; gives the line."""
    url = f"{gateway.base_url}/admin/api/settings/bodies_retention_days"
    headers = {"authorization": f"Bearer {token}"}
    httpx.put(url, json={"value": days}, headers=headers, timeout=20, trust_env=False).raise_for_status()
    return f"the setting bodies_retention_days is {days} now"


def test_lines_come_are_searched_paused_and_cleared(viewer: Viewer, gateway: Gateway) -> None:
    token = gateway.add_token("settings-log", admin=True)
    page = viewer.goto("/admin/logs")
    page.get_by_text("Live", exact=True).wait_for()

    page.get_by_role("cell", name=log_a_line(gateway, token, 4321)).wait_for()
    page.get_by_label("Search").fill("nothing of the kind")
    page.get_by_text("No line is shown").wait_for()
    page.get_by_label("Search").fill("bodies_retention_days is 43")
    page.get_by_role("button", name="Pause").click()
    later = page.get_by_role("cell", name=log_a_line(gateway, token, 4322))
    page.get_by_text("more line").wait_for()
    expect(later).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    later.wait_for()
    page.get_by_label("Level").select_option("Errors")
    expect(later).to_have_count(0)
    page.get_by_label("Level").select_option("All")
    page.get_by_role("button", name="Clear").click()

    page.get_by_text("No line is shown").wait_for()
