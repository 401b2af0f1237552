"""Alerts in a browser: what a provider refused is told, looked into, and dismissed; its model is switched off."""

import re

import httpx
from playwright.sync_api import Route, expect

from tests.browser.viewer import Viewer
from tests.e2e.chat import failure
from tests.e2e.gateway import Gateway
from tests.e2e.standin import StandIn

_TARGET = "sambanova/m"


def test_refused_key_is_critical_and_its_model_is_disabled_by_clicking(
    viewer: Viewer, gateway: Gateway, provider: StandIn
) -> None:
    before = provider.answer
    provider.answer = failure(401, "<b>No</b> such key.")
    token = gateway.add_token(username="alerted")
    answer = httpx.post(
        f"{gateway.base_url}/v1/chat/completions",
        headers={"authorization": f"Bearer {token}"},
        json={"model": _TARGET, "messages": [{"role": "user", "content": "Hi"}]},
        trust_env=False,
    )
    provider.answer = before
    gateway.row_of(answer.headers["x-request-id"])

    page = viewer.goto("/admin/alerts?severity=critical")
    row = page.get_by_role("row").filter(has_text=_TARGET)
    expect(row).to_contain_text("auth_error")
    expect(row).to_contain_text("status 401")
    expect(row).to_contain_text("<b>No</b> such key.")
    expect(row.get_by_role("link", name="Requests")).to_have_attribute(
        "href",
        re.compile(r"^/admin/requests\?failed=sambanova%2Fm&live=off&helpers=true&start=[\d-]{10}&end=[\d-]{10}$"),
    )
    expect(page.locator("nav .badge")).to_be_visible()
    assert viewer.violations() == []

    row.get_by_role("button", name="Disable").click()
    page.locator("dialog#confirm").get_by_role("button", name="Disable").click()
    page.get_by_text(f"{_TARGET} is disabled.").wait_for()
    with httpx.Client(base_url=gateway.base_url, trust_env=False) as client:
        models = client.get("/v1/models", headers={"authorization": f"Bearer {token}"}).json()["data"]
    assert _TARGET not in {model["id"] for model in models}

    calls = row.get_by_role("link", name="Requests").get_attribute("href") or ""
    page.get_by_label("Period").select_option("Last 7 days")
    page.wait_for_url("**/admin/alerts?hours=168&severity=critical")
    row.get_by_role("button", name="Dismiss").click()
    expect(row).to_have_count(0)

    viewer.goto(calls)
    expect(page.get_by_text("Only calls in which an attempt at")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("alerted")


def test_severity_that_no_alert_has_is_not_told_as_if_nothing_went_wrong(viewer: Viewer) -> None:
    alert = {"provider_id": "p", "model_id": "m", "status_code": 401, "error_type": "auth_error", "count": 3}
    alert |= {
        "severity": "critical",
        "error_message": "",
        "first_seen": "2026-01-01T00:00:00Z",
        "last_seen": "2026-01-01T00:00:00Z",
    }

    def answer(route: Route) -> None:
        route.fulfill(json={"alerts": [alert], "summary": {"critical": 1, "warning": 0, "total": 1}})

    viewer.page.route("**/admin/api/alerts?*", answer)
    page = viewer.goto("/admin/alerts?severity=warning")
    expect(page.get_by_text("No alert of this severity")).to_be_visible()
    expect(page.get_by_text("Nothing went wrong")).to_be_hidden()

    page.get_by_role("button", name="Show all").click()

    expect(page.get_by_role("row").filter(has_text="auth_error")).to_be_visible()
