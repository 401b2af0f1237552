"""Monitors in a browser: made for a user, looked at, asked again, run and ended, with a Parallel that reports what it finds."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.viewer import NARROW, PASSWORD, log_in, viewing
from tests.e2e.gateway import Gateway
from tests.monitor_rows import SECRET
from tests.parallel_server import ParallelServer, running_parallel
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def parallel() -> Iterator[ParallelServer]:
    with running_parallel(secrets=[SECRET]) as server:
        yield server


@pytest.fixture(scope="module")
def watching(parallel: ParallelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with monitors."""
    environ = {
        "ADMIN_PASSWORD": PASSWORD,
        "PARALLELAI_API_KEY": parallel.key,
        "PARALLEL_BASE_URL": parallel.base_url,
        "PARALLEL_WEBHOOK_SECRET": SECRET,
    }
    running = Gateway(tmp_path_factory.mktemp("watching"), environ=environ)
    running.set_environ(MONITOR_WEBHOOK_URL=f"{running.base_url}/webhooks/parallel-monitor")
    running.start()
    yield running
    running.stop()


def test_monitor_is_made_looked_at_run_and_ended(browser: Browser, watching: Gateway, parallel: ParallelServer) -> None:
    watching.add_token("ana")
    cookie = log_in(watching)

    with viewing(browser, watching, cookie) as viewer:
        page = viewer.goto("/admin/monitors")
        page.get_by_text("Nobody watches anything yet").wait_for()
        page.get_by_role("button", name="New monitor").click()
        form = page.get_by_role("dialog", name="New monitor")
        form.get_by_label("User").fill("nobody")
        form.get_by_label("What is watched").fill("releases of <b>Python</b>")
        form.get_by_label("Every").fill("6h")
        viewer.expect("400")
        form.get_by_role("button", name="Create").click()
        form.get_by_text("There is no user 'nobody' with a token.").wait_for()
        form.get_by_label("User").fill("ana")
        form.get_by_role("button", name="Create").click()
        page.get_by_role("button", name="Done").click()

        [monitor_id] = parallel.active
        parallel.detect(monitor_id, "Python 3.15 <script>is</script> here.")
        cookies = {"llm_relay_session": cookie}
        events = f"{watching.base_url}/admin/api/monitors/{monitor_id}/events"
        wait_for(lambda: "3.15" in httpx.get(events, cookies=cookies, trust_env=False).text)

        page.get_by_role("button", name="releases of <b>Python</b>").click()
        shown = page.get_by_role("dialog", name="Monitor of ana")
        shown.get_by_text("Python 3.15 <script>is</script> here.").wait_for()
        shown.get_by_role("tab", name="Webhooks").click()
        shown.get_by_role("cell", name="monitor.event.detected").wait_for()
        assert viewer.violations() == []
        page.keyboard.press("Escape")
        page.get_by_text("Webhooks received of late").click()
        page.get_by_label("Webhooks of all monitors").get_by_text("a new report").wait_for()
        page.get_by_role("button", name="Run now").click()
        page.get_by_text("It runs now").wait_for()
        page.get_by_role("button", name="Reconcile").click()
        page.get_by_text("Both sides agree.").wait_for()
        page.get_by_role("button", name="Cancel", exact=True).first.click()
        page.get_by_role("button", name="Cancel monitor").last.click()

        page.get_by_text("on request").wait_for()
        assert parallel.active == []


def test_filter_is_kept_in_the_address_and_the_detail_fits_a_telephone(browser: Browser, watching: Gateway) -> None:
    made = {"query": "outages of clouds", "cadence": "daily"}
    headers = {"authorization": f"Bearer {watching.add_token('ben')}"}
    httpx.post(f"{watching.base_url}/v1/monitors", json=made, headers=headers, trust_env=False).raise_for_status()

    with viewing(browser, watching, log_in(watching), width=NARROW, theme="dark") as viewer:
        page = viewer.goto("/admin/monitors?username=nobody")
        page.get_by_text("No monitor is like that").wait_for()
        page.get_by_label("User").first.fill("ben")
        page.get_by_role("button", name="Filter").click()
        page.wait_for_url("**/admin/monitors?username=ben")
        page.get_by_role("button", name="outages of clouds").click()

        expect(page.get_by_role("dialog", name="Monitor of ben")).to_be_visible()
        assert "monitor=mon_" in page.url
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
        assert viewer.violations() == []
