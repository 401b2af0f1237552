"""The pages for everybody: what they say, that nothing in them is markup, and that they need no dashboard."""

import json
from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.viewer import NARROW, WIDE, Viewer, viewing
from tests.e2e.gateway import Gateway, running_gateway
from tests.parallel_server import ParallelServer, running_parallel

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NASTY = "<script>alert(1)</script> \"quoted\" & 'so' \u202eabc"


@pytest.fixture(scope="module")
def parallel() -> Iterator[ParallelServer]:
    with running_parallel() as running:
        yield running


@pytest.fixture(scope="module")
def public(parallel: ParallelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway without a dashboard, that has monitors, shows its API, and lets this machine call without a token."""
    environ = {
        "ADMIN_ENABLED": "false",
        "DOCS_ENABLED": "true",
        "ANONYMOUS_USER": "first",
        "ANONYMOUS_CIDRS": "127.0.0.1",
        "PAYMENT_CANCEL_TEXT": f"{NASTY}\n\n{'long' * 500}",
        "PARALLELAI_API_KEY": parallel.key,
        "PARALLEL_BASE_URL": parallel.base_url,
        "MONITOR_WEBHOOK_URL": "http://127.0.0.1:1/webhooks/parallel-monitor",
    }
    with running_gateway(tmp_path_factory.mktemp("public"), environ=environ) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, public: Gateway) -> Iterator[Viewer]:
    """Somebody without a login, before a narrow window."""
    with viewing(browser, public, None, width=NARROW) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/", "/create-monitor", "/payment/success", "/payment/cancel"])
@pytest.mark.parametrize(("width", "theme"), [(WIDE, "light"), (NARROW, "dark")])
def test_page_opens_without_a_dashboard_and_is_accessible(
    browser: Browser, public: Gateway, path: str, width: int, theme: Literal["light", "dark"]
) -> None:
    with viewing(browser, public, None, width=width, theme=theme) as visitor:
        page = visitor.goto(path)

        assert page.locator("h1").first.inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visitor.violations() == []


def test_landing_page_tells_of_this_gateway(visitor: Viewer, public: Gateway, gateway: Gateway) -> None:
    page = visitor.goto("/")

    assert f"curl {public.base_url}/v1/chat/completions" in page.get_by_label("A call with curl").inner_text()
    assert page.locator(".names code").all_inner_texts()[0] == "demo"
    assert page.get_by_role("link", name="Dashboard").count() == 0
    with_dashboard = httpx.get(gateway.base_url, headers=HTML, trust_env=False).text
    assert 'href="/admin"' in with_dashboard
    assert "GET /v1/models" not in with_dashboard
    assert "gpt-test" not in with_dashboard  # what there is, a token tells


def test_programs_are_greeted_as_ollama_greets_them(public: Gateway) -> None:
    with httpx.Client(base_url=public.base_url, trust_env=False) as client:
        page, whole, any_type = client.get("/", headers=HTML), client.get("/"), client.get("/", headers={"accept": ""})
        others = [client.get(path).status_code for path in ("/admin", "/payment/other", "/docs")]

    assert "text/html" in page.headers["content-type"]
    assert (whole.text, any_type.text) == ("Ollama is running", "Ollama is running")
    assert others == [404, 404, 200]


def test_text_of_the_operator_is_text(visitor: Viewer) -> None:
    page = visitor.goto("/payment/cancel")

    assert page.get_by_text(NASTY).count() == 1
    assert page.locator("main script").count() == 0


def test_monitor_is_made_by_the_form(visitor: Viewer, public: Gateway, parallel: ParallelServer) -> None:
    page = visitor.goto("/create-monitor")

    page.get_by_label("Token").fill(public.token)
    page.get_by_label("Topic").fill(NASTY)
    page.get_by_label("Frequency").select_option("Another …")
    page.get_by_label("Every", exact=True).fill("6h")
    page.get_by_role("button", name="Create it").click()

    page.get_by_role("definition").get_by_text(NASTY).wait_for()
    assert parallel.monitors[-1]["frequency"] == "6h"
    assert visitor.violations() == []


def test_error_of_the_form_is_text(visitor: Viewer) -> None:
    visitor.expect("400", "401")
    page = visitor.goto("/create-monitor")
    page.get_by_label("Topic").fill("News")
    page.get_by_label("Token").fill("no-token")

    page.get_by_role("button", name="Create it").click()
    page.get_by_role("alert").get_by_text("malformed").wait_for()
    error = json.dumps({"error": {"message": NASTY + "x" * 10_000}})
    page.route("**/v1/monitors", lambda route: route.fulfill(status=400, content_type="application/json", body=error))
    page.get_by_role("button", name="Create it").click()

    page.get_by_role("alert").get_by_text(NASTY).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW


def test_without_monitors_the_form_says_so(gateway: Gateway, viewer: Viewer) -> None:
    page = viewer.goto("/create-monitor")

    page.get_by_text("Monitors are not set up").wait_for()
    assert page.get_by_role("button", name="Create it").count() == 0
    assert httpx.get(f"{gateway.base_url}/docs", trust_env=False).status_code == 404


def test_document_of_the_api_is_shown_and_tried_under_the_policy_of_all_pages(visitor: Viewer, public: Gateway) -> None:
    httpx.get(f"{public.base_url}/openapi.json", trust_env=False, timeout=60)  # what it is made of is imported now
    visitor.page.set_default_timeout(60_000)  # Swagger UI takes longer than all pages of ours together
    page = visitor.goto("/docs")

    page.locator("#operations-tag-chat").click()
    page.locator("#operations-chat-create_chat_completion").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()

    page.locator(".live-responses-table .response-col_status").get_by_text("200").wait_for()
    assert "unsafe" not in httpx.get(f"{public.base_url}/docs", trust_env=False).headers["content-security-policy"]
