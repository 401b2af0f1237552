"""The live log in a browser."""

import httpx
from playwright.sync_api import expect

from tests.browser.viewer import Viewer
from tests.e2e.gateway import Gateway


def log_a_line(gateway: Gateway, token: str, default: str | None) -> None:
    """A setting that changes is told in the log."""
    url = f"{gateway.base_url}/admin/api/settings/default_model"
    headers = {"authorization": f"Bearer {token}"}
    method, body = ("DELETE", None) if default is None else ("PUT", {"value": default})
    httpx.request(method, url, json=body, headers=headers, trust_env=False).raise_for_status()


def test_lines_come_are_searched_paused_and_cleared(viewer: Viewer, gateway: Gateway) -> None:
    token = gateway.add_token("settings-log", admin=True)
    page = viewer.goto("/admin/logs")
    page.get_by_text("Live", exact=True).wait_for()

    log_a_line(gateway, token, "demo")
    page.get_by_role("cell", name="the setting default_model is demo now").first.wait_for()
    page.get_by_label("Search").fill("nothing of the kind")
    page.get_by_text("No line is shown").wait_for()
    page.get_by_label("Search").fill("default_model is")
    page.get_by_role("button", name="Pause").click()
    log_a_line(gateway, token, None)
    page.get_by_text("more line").wait_for()
    expect(page.get_by_role("cell", name="the setting default_model is None now")).to_have_count(0)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("cell", name="the setting default_model is None now").first.wait_for()
    page.get_by_label("Level").select_option("Errors")
    expect(page.get_by_role("cell", name="the setting default_model is None now")).to_have_count(0)
    page.get_by_label("Level").select_option("All")
    page.get_by_role("button", name="Clear").click()

    page.get_by_text("No line is shown").wait_for()
