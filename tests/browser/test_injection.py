"""What anybody could have sent is shown as the text that it is, on every page: no script of it runs, and no page breaks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.sample import WATCHED, fill_gateway
from tests.browser.screenshots import paths
from tests.browser.viewer import NARROW, PASSWORD, log_in, viewing
from tests.e2e.gateway import Gateway, running_gateway

_ATTACK = (
    "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>\"'`</td></title></textarea>"
    "{{ 7 * 7 }}${7 * 7}{% raw %} javascript:window.ran=1 \u202egnp.exe\u202c \u0007&lt;b&gt; x-data=a @click=b "
)
_ONCE = "<script>window.ran"
_CALL = "req_000000000001"


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose users, tags, models, questions and errors are full of it, each 10,000 characters long."""
    gateway = Gateway(tmp_path_factory.mktemp("attacked"), environ={"ADMIN_PASSWORD": PASSWORD})
    fill_gateway(gateway, calls=40, days=1, dress=lambda text: (text + _ATTACK.replace(",", " ")).ljust(10_000, "x"))
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def attacked_cookie(attacked: Gateway) -> str:
    return log_in(attacked)


_PATHS = [*paths(_CALL).values(), f"/admin/monitors?monitor={WATCHED}", "/admin/nowhere/<script>window.ran=1</script>"]


@pytest.mark.parametrize("path", _PATHS)
def test_texts_of_others_stay_texts(browser: Browser, attacked: Gateway, attacked_cookie: str, path: str) -> None:
    with viewing(browser, attacked, attacked_cookie, width=NARROW) as viewer:
        viewer.expect("404" if "nowhere" in path else "no such answer")
        page = viewer.goto(path)

        assert page.evaluate("window.ran") is None
        assert page.locator("img[src=x], main script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
        assert "49" not in page.title()


def test_they_are_there_to_be_seen(browser: Browser, attacked: Gateway, attacked_cookie: str) -> None:
    """Else the tests above would show nothing."""
    with viewing(browser, attacked, attacked_cookie) as viewer:
        assert _ONCE in viewer.goto("/admin/monitors").locator("main").inner_text()


def test_address_and_name_of_a_login_are_texts_too(browser: Browser, tmp_path: Path) -> None:
    with (
        running_gateway(tmp_path, environ={"ADMIN_PASSWORD": PASSWORD}) as gateway,
        viewing(browser, gateway, None) as viewer,
    ):
        viewer.expect("401")
        page = viewer.goto("/admin/login?next=/admin/%22%3E%3Cscript%3Ewindow.ran=1%3C/script%3E")
        page.get_by_label("Name").fill('"><script>window.ran=1</script>'[:64])
        page.get_by_label("Password").fill("wrong wrong wrong")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("alert").wait_for()

        assert page.evaluate("window.ran") is None
        assert page.get_by_label("Name").input_value() == '"><script>window.ran=1</script>'
