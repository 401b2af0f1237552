"""The way into the dashboard: a first visit, logins, and how they end."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.viewer import PASSWORD, viewing
from tests.e2e.gateway import running_gateway


def test_first_visit_sets_a_password_by_the_code_of_the_terminal_and_leads_to_a_first_answered_call(
    browser: Browser, tmp_path: Path
) -> None:
    with running_gateway(tmp_path) as gateway, viewing(browser, gateway, None) as viewer:
        code = re.search(r"[a-z2-9]{4}(-[a-z2-9]{4}){2}", gateway.output())
        assert code
        assert code[0] not in gateway.log_file.read_text()
        page = viewer.goto("/admin/tokens")
        assert page.url.endswith("/admin/setup")
        viewer.expect("400")

        for typed in ("xxxx-xxxx-xxxx", code[0].upper()):
            page.get_by_label("Code").fill(typed)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_label("Once more").fill(PASSWORD)
            page.get_by_role("button", name="Set the password").click()
            if typed != code[0].upper():
                page.get_by_role("alert").wait_for()
                assert "not the code" in page.get_by_role("alert").inner_text()

        page.wait_for_url("**/admin")
        page.get_by_role("link", name="Playground").click()
        page.get_by_role("textbox", name="Message").fill("Hello")  # at once: what is typed early must not get lost
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_label("Turns").get_by_text("your request arrived").wait_for()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/admin/login")
        assert viewer.goto("/admin/setup").url.endswith("/admin/login")


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/admin/tokens?tag=a", "/admin/tokens?tag=a"),
        ("https://evil.example/admin", "/admin"),
        ("//evil.example", "/admin"),
        ("/admin//evil.example", "/admin"),
        ("/\\evil.example", "/admin"),
        ("/v1/models", "/admin"),
    ],
)
def test_login_leads_to_own_paths_only(wanted: str, reached: str) -> None:
    from app.dashboard.entrance import own_path

    assert own_path(wanted) == reached


def test_sixth_login_of_a_minute_is_refused(browser: Browser, tmp_path: Path) -> None:
    with (
        running_gateway(tmp_path, environ={"ADMIN_PASSWORD": PASSWORD}) as gateway,
        viewing(browser, gateway, None) as viewer,
    ):
        viewer.expect("401", "429")
        page = viewer.goto("/admin/tokens")

        for _ in range(5):
            page.get_by_label("Password").fill("wrong wrong wrong")
            page.get_by_role("button", name="Log in").click()
            page.get_by_text("The name or the password is wrong.").wait_for()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()

        page.get_by_text("More than 5 logins a minute").wait_for()
