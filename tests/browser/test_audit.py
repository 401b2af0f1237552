"""The audit log in a browser."""

from tests.browser.viewer import Viewer


def test_changes_are_listed_filtered_and_verified(viewer: Viewer) -> None:
    page = viewer.goto("/admin/audit?action=no.such")
    page.get_by_text("No change fits the filters").wait_for()
    page.get_by_role("button", name="Clear the filters").click()
    assert page.locator("#audit-actions option[value='session.begin']").count() == 1

    page.get_by_label("Action").fill("session.begin")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url("**/admin/audit?action=session.begin")
    page.get_by_role("cell", name="session.begin").first.wait_for()
    page.get_by_role("button", name="Verify").click()

    page.get_by_text("entries are as they were written").wait_for()
