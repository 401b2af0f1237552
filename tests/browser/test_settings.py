"""Settings in a browser: each is changed once, and what can be made here is made and taken away."""

import json
from pathlib import Path

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


def test_export_is_downloaded_changed_and_imported(viewer: Viewer, tmp_path: Path) -> None:
    viewer.expect("400")
    page = viewer.goto("/admin/settings?tab=exchange")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the export").click()
    document = json.loads(Path(download.value.path()).read_text())
    assert document["format"] == "llm-relay-export"

    for most in (0, 3):
        changed, users = tmp_path / f"{most}.json", {"settings-ann": {"max_concurrent": most}}
        changed.write_text(json.dumps({"format": document["format"], "version": 1, "users": users}))
        page.get_by_label("An export, as JSON").set_input_files(changed)
        page.get_by_role("button", name="Show what it changes").click()
        (page.get_by_role("cell", name="settings-ann") if most else page.get_by_text("users.settings-ann:")).wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Import").click()
    page.get_by_text("Imported: 1 change.").wait_for()
    page.get_by_role("button", name="Show what it changes").click()

    page.get_by_text("Nothing changes: 1 entry as it is").wait_for()


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
