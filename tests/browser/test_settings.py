"""Settings in a browser: each is changed once, and what can be made here is made and taken away."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.viewer import NARROW, PASSWORD, Viewer, log_in, viewing
from tests.e2e.gateway import Gateway


def setting(page: Page, title: str) -> Locator:
    return page.get_by_role("form", name=title)


def test_settings_are_changed_and_reset(viewer: Viewer) -> None:
    viewer.expect("400")
    page = viewer.goto("/admin/settings")
    days, default = setting(page, "Keep calls"), setting(page, "Default model")

    days.get_by_label("Days").fill("60")
    days.get_by_role("button", name="Save").click()
    page.get_by_role("dialog").get_by_role("button", name="Keep less").click()
    page.get_by_text("Keep calls: 60 days.").wait_for()
    default.get_by_role("textbox").fill("no/such-model")
    default.get_by_role("button", name="Save").click()
    default.get_by_text("There is no model 'no/such-model'").wait_for()
    default.get_by_role("textbox").fill("demo")
    default.get_by_role("button", name="Save").click()
    page.get_by_text("Default model: demo.").wait_for()
    addresses = setting(page, "Clients' addresses")
    addresses.get_by_role("combobox").select_option("Off")
    addresses.get_by_role("button", name="Save").click()
    page.get_by_text("Clients' addresses: off.").wait_for()

    page = viewer.goto("/admin/settings")
    assert setting(page, "Keep calls").get_by_label("Days").input_value() == "60"
    assert "The environment says 90 days" in setting(page, "Keep calls").inner_text()
    for title in ("Keep calls", "Default model", "Clients' addresses"):
        setting(page, title).get_by_role("button", name="Reset").click()
        expect(setting(page, title).get_by_text("Set here", exact=True)).to_be_hidden()


def test_administrators_are_added_changed_and_deleted(viewer: Viewer) -> None:
    viewer.expect("409")
    page = viewer.goto("/admin/settings?tab=administrators")

    for _ in range(2):
        page.get_by_role("button", name="Add an administrator").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("settings-bob")
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Add").click()
        dialog.or_(page.get_by_text("settings-bob was added.")).first.wait_for()
        page.get_by_role("cell", name="settings-bob", exact=True).wait_for()
    dialog.get_by_role("alert").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_label("Role of settings-bob").select_option("admin")
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Role of settings-bob")).to_have_value("viewer")
    page.get_by_label("Role of settings-bob").select_option("admin")
    page.locator("#confirm").get_by_role("button", name="Change the role").click()
    page.get_by_text("settings-bob is an admin now.").wait_for()
    page.get_by_role("button", name="Give settings-bob another password").click()
    dialog.get_by_label("Password").fill(f"{PASSWORD} 2")
    dialog.get_by_role("button", name="Set the password").click()
    page.get_by_text("settings-bob has another password.").wait_for()
    page.get_by_role("button", name="Delete settings-bob").click()
    dialog.get_by_role("button", name="Delete").click()

    page.get_by_text("settings-bob was deleted.").wait_for()
    expect(page.get_by_role("cell", name="settings-bob", exact=True)).to_have_count(0)


def test_session_is_ended_and_own_password_changed(viewer: Viewer, browser: Browser, gateway: Gateway) -> None:
    made = viewer.page.request.post(
        f"{gateway.base_url}/admin/api/administrators",
        data={"name": "settings-eve", "role": "viewer", "password": PASSWORD},
        headers={"x-csrf-token": csrf_of(viewer)},
    )
    assert made.status == 201
    with viewing(browser, gateway, log_in(gateway, "settings-eve")) as other:
        page = viewer.goto("/admin/settings?tab=sessions")
        page.get_by_role("button", name="End a session of settings-eve").click()
        page.get_by_role("dialog").get_by_role("button", name="End it").click()
        page.get_by_text("The session was ended.").wait_for()
        assert other.goto("/admin/settings").url.endswith("/admin/login?next=/admin/settings")

    with viewing(browser, gateway, log_in(gateway, "settings-eve")) as other:
        other.expect("403")
        assert other.goto("/admin/logs").locator("h1").inner_text() == "Not for viewers"
        assert other.violations() == []
        expect(other.goto("/admin/names").get_by_role("button", name="New alias")).to_be_hidden()
        page = other.goto("/admin/settings?tab=password")
        expect(page.get_by_role("tab", name="Administrators")).to_be_hidden()
        expect(page.get_by_role("link", name="Live log")).to_have_count(0)
        page.get_by_label("Password of now").fill(PASSWORD)
        page.get_by_label("New password").fill(f"{PASSWORD} 2")
        page.get_by_label("Once more").fill(f"{PASSWORD} 2")
        page.get_by_role("button", name="Change the password").click()
        page.wait_for_url("**/admin/login")
    assert log_in(gateway, "settings-eve", f"{PASSWORD} 2")


def test_export_is_downloaded_changed_and_imported(viewer: Viewer, gateway: Gateway, tmp_path: Path) -> None:
    viewer.expect("400")
    viewer.expect("409")
    page = viewer.goto("/admin/settings?tab=exchange")
    headers = {"x-csrf-token": str(page.locator("meta[name=csrf-token]").get_attribute("content"))}
    # Others set it too.
    page.request.delete(f"{gateway.base_url}/admin/api/settings/bodies_retention_days", headers=headers)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the export").click()
    document = json.loads(Path(download.value.path()).read_text())
    assert document["format"] == "llm-relay-export"

    def look_at(**sections: dict[str, Any]) -> None:
        changed = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        changed.write_text(json.dumps({"format": document["format"], "version": 1} | sections))
        page.get_by_label("An export, as JSON").set_input_files(changed)
        page.get_by_role("button", name="Show what it changes").click()

    def bring_in() -> None:
        page.get_by_role("button", name="Import", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Import").click()

    look_at(users={"settings-ann": {"max_concurrent": 0}})
    page.get_by_text("users.settings-ann:").wait_for()
    own = {"base_url": "http://127.0.0.1:1/v1", "supported_models": ["m"], "headers": {"X-Team": "[redacted]"}}
    sections: dict[str, dict[str, Any]] = {
        "users": {"settings-ann": {"max_concurrent": 3}},
        "settings": {"bodies_retention_days": 5},
        "providers": {"settings-own": own},
    }
    look_at(**sections)
    setting_row = page.get_by_role("row", name="bodies_retention_days")
    expect(setting_row).to_contain_text("environment was 7")
    expect(setting_row).to_contain_text("value 5")
    lacking = page.get_by_text("providers settings-own: headers.X-Team is in no export")
    expect(lacking).to_be_visible()
    assert viewer.violations() == []

    page.request.put(f"{gateway.base_url}/admin/api/users/settings-ann", data={"max_concurrent": 4}, headers=headers)
    bring_in()
    page.get_by_role("alert").get_by_text("look at it again").wait_for()
    look_at(**sections)
    expect(page.get_by_role("row", name="settings-ann")).to_contain_text("max_concurrent 4 → 3")
    bring_in()
    page.get_by_role("heading", name="Imported: 3 changes").wait_for()
    expect(lacking).to_be_visible()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_hidden()
    look_at(**sections)
    page.get_by_text("Nothing changes: 3 entries as they are").wait_for()

    for path in ("providers/settings-own", "settings/bodies_retention_days"):
        assert page.request.delete(f"{gateway.base_url}/admin/api/{path}", headers=headers).ok
    page = viewer.goto("/admin/audit?action=config.import")
    page.get_by_text('{"max_concurrent":4} → {"max_concurrent":3}').first.wait_for()


def test_system_is_shown(viewer: Viewer) -> None:
    page = viewer.goto("/admin/settings?tab=system")

    panel = page.get_by_role("tabpanel")
    panel.get_by_text("CPython").wait_for()
    assert "SQLite" in panel.inner_text()
    assert "missing" not in panel.inner_text()
    page.get_by_role("tab", name="System").press("ArrowRight")
    expect(page.get_by_role("tab", name="General")).to_be_focused()


@pytest.mark.parametrize("tab", ["administrators", "sessions", "password", "exchange", "system"])
def test_each_tab_is_accessible_and_fits(browser: Browser, gateway: Gateway, cookie: str, tab: str) -> None:
    with viewing(browser, gateway, cookie, width=NARROW, theme="dark") as viewer:
        page = viewer.goto(f"/admin/settings?tab={tab}")

        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
        assert viewer.violations() == []


def csrf_of(viewer: Viewer) -> str:
    """Of the viewer's session, as its pages have it."""
    viewer.goto("/admin/settings")
    return str(viewer.page.locator("meta[name=csrf-token]").get_attribute("content"))
