"""The dashboard without a mouse."""

from playwright.sync_api import Browser, Page, expect

from tests.browser.viewer import NARROW, Viewer, viewing
from tests.e2e.gateway import Gateway

_FOCUSED = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.trim()"


def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until what is called so has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(_FOCUSED) == name:
            return
    raise AssertionError(f"Tab does not reach {name!r}")


def test_first_stop_leads_past_the_menu(viewer: Viewer) -> None:
    page = viewer.goto("/admin/audit")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")

    expect(page.locator("main#main")).to_be_focused()


def test_menu_leads_to_each_page(viewer: Viewer) -> None:
    page = viewer.goto("/admin/audit")

    tab_to(page, "Monitors")
    page.keyboard.press("Enter")

    page.wait_for_url("**/admin/monitors")


def test_arrow_keys_go_through_tabs(viewer: Viewer) -> None:
    page = viewer.goto("/admin/names")
    kinds = page.get_by_role("tablist", name="Kinds of names").get_by_role("tab")

    tab_to(page, "Aliases")
    page.keyboard.press("ArrowLeft")
    expect(kinds.last).to_be_focused()
    expect(kinds.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowRight")
    expect(kinds.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Tab")

    expect(page.locator("[role=tab]:focus")).to_have_count(0)


def test_theme_is_chosen_and_kept(viewer: Viewer) -> None:
    page = viewer.goto("/admin/audit")

    tab_to(page, "Theme")
    page.keyboard.press("d")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_dialog_gives_the_focus_back(viewer: Viewer) -> None:
    page = viewer.goto("/admin/monitors")
    opener = page.get_by_role("button", name="New monitor")

    tab_to(page, "New monitor")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="New monitor")
    expect(dialog).to_be_visible()
    for _ in range(12):  # round it goes, and to nothing behind it
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_narrow_menu_opens_and_closes(browser: Browser, gateway: Gateway, cookie: str) -> None:
    with viewing(browser, gateway, cookie, width=NARROW) as viewer:
        page = viewer.goto("/admin/audit")
        button, menu = page.get_by_role("button", name="Menu"), page.locator("#menu")

        tab_to(page, "Menu")
        expect(menu).to_be_hidden()
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-expanded", "true")
        expect(page.get_by_role("link", name="Overview")).to_be_focused()
        page.keyboard.press("Escape")

        expect(menu).to_be_hidden()
        expect(button).to_be_focused()
