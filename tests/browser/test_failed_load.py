"""What a page shows that could not be loaded: what went wrong and a way to try again, and never that there is nothing."""

from playwright.sync_api import Route, expect

from app.dashboard.pages import PAGES
from tests.browser.viewer import Viewer

_WORDS = "The database is away."
_PATHS = [page.path for page in PAGES if "{" not in page.path and page.key != "logs"]  # the log is connected by itself
_PATHS += ["/tokens?tab=users", *(f"/settings?tab={tab}" for tab in ("administrators", "sessions", "system"))]


def test_what_could_not_be_loaded_is_told_in_its_place_and_tried_again(viewer: Viewer) -> None:
    def fail(route: Route) -> None:
        route.fulfill(status=503, json={"error": {"message": _WORDS}})

    viewer.expect("503", "EventSource")
    page = viewer.page
    main = page.locator("main")
    for path in _PATHS:
        page.route("**/admin/api/**", fail)
        viewer.goto(f"/admin{path}")
        expect(main.get_by_role("alert").filter(has_text=_WORDS), path).to_be_visible()
        assert main.locator(".panel.empty:visible, .notice.warning:visible").all_inner_texts() == [], path

        page.unroute("**/admin/api/**")
        main.get_by_role("button", name="Try again").click()

        expect(main.get_by_role("alert"), path).to_be_hidden()
        expect(page.locator("[aria-busy=true]"), path).to_have_count(0)
