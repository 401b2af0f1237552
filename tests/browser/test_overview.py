"""The overview in a browser: what was used, what is under way, and how a gateway begins."""

import threading
import time
from decimal import Decimal
from pathlib import Path

import httpx
from playwright.sync_api import Browser, expect

from app.metering.rows import insert_records
from tests.browser.viewer import PASSWORD, Viewer, log_in, viewing
from tests.calls import make_record
from tests.e2e.chat import chunk, whole
from tests.e2e.conftest import MODEL
from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn
from tests.e2e.stored import in_database

STOPPED = b"An administrator stopped this call."


def test_calls_of_the_period_are_in_cards_charts_and_lists(viewer: Viewer, gateway: Gateway, provider: StandIn) -> None:
    token = gateway.add_token("overview-<b>reader</b>")
    provider.answer = whole()
    response = httpx.post(
        f"{gateway.base_url}/v1/chat/completions",
        json=chat(f"openai/{MODEL}"),
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
    )
    gateway.row_of(response.headers["x-request-id"])

    page = viewer.goto("/admin")
    page.get_by_role("button", name="Today").click()
    page.wait_for_url("**/admin?days=1")
    page.get_by_label("Most by").select_option("calls")

    expect(page.locator(".card", has_text="First byte")).to_contain_text("ms")
    expect(page.get_by_role("region", name="Over time").locator(".chart canvas")).to_have_count(3)
    row = page.get_by_role("region", name="Users").get_by_role("listitem").filter(has_text="overview-<b>reader</b>")
    expect(row).to_contain_text("1 call")
    href = row.get_by_role("link").get_attribute("href")
    assert href == "/admin/usage?days=1&users=overview-%3Cb%3Ereader%3C%2Fb%3E"
    expect(page.get_by_role("region", name="Provider health")).to_contain_text(MODEL)
    assert viewer.violations() == []


def test_models_are_stacked_over_time_by_what_is_chosen(viewer: Viewer, gateway: Gateway) -> None:
    small, large = "stacked/small", "stacked/large"
    records = [
        make_record(
            id=f"req_stacked{number}", received_at=time.time(), provider="stacked", model=model, cost=Decimal(9)
        )
        for number, model in enumerate(["small", "large", "large"])
    ]
    in_database(gateway.database_url, lambda database: insert_records(database, records))

    page = viewer.goto("/admin?days=1")
    models = page.get_by_role("region", name="Models", exact=True)
    page.get_by_label("Most by").select_option("calls")
    expect(models.get_by_role("listitem").filter(has_text=large)).to_contain_text("2 calls")
    models.get_by_text("The same as a table").click()
    table = models.get_by_role("region", name="Models over time")
    for model in (small, large):
        expect(table.get_by_role("columnheader", name=model, exact=True)).to_be_visible()
    expect(table.locator("tbody")).not_to_contain_text("$")
    box = models.locator(".u-over").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    expect(models.locator(".moment")).not_to_have_text("The whole period")
    assert viewer.violations() == []

    page.get_by_label("Most by").select_option("cost")

    expect(table.locator("tbody")).to_contain_text("$18.00")
    expect(models.get_by_role("listitem").filter(has_text=small)).to_contain_text("$9.00")


def test_live_call_is_seen_and_stopped(viewer: Viewer, gateway: Gateway, provider: StandIn) -> None:
    token = gateway.add_token("overview-streamer")
    provider.answer = Answer.events(chunk({"role": "assistant", "content": "one two three"}), done=False, hold=True)
    got: list[bytes] = []

    def listen() -> None:
        with httpx.stream(
            "POST",
            f"{gateway.base_url}/v1/chat/completions",
            json=chat(f"openai/{MODEL}", stream=True),
            headers={"authorization": f"Bearer {token}"},
            timeout=WAIT_S,
            trust_env=False,
        ) as response:
            got.extend(response.iter_bytes())

    client = threading.Thread(target=listen)
    client.start()
    page = viewer.goto("/admin")
    row = page.get_by_role("region", name="Live calls").get_by_role("row").filter(has_text="overview-streamer")
    expect(row).to_contain_text(f"openai/{MODEL}")
    expect(row).to_contain_text("about ")
    assert viewer.violations() == []

    row.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop it").click()

    page.get_by_text("The call ends.").wait_for()
    expect(row).to_have_count(0)
    client.join(WAIT_S)
    assert STOPPED in b"".join(got)


def test_fresh_gateway_says_how_to_begin(browser: Browser, tmp_path: Path) -> None:
    with running_gateway(tmp_path, environ={"ADMIN_PASSWORD": PASSWORD}) as gateway:
        cookie = log_in(gateway)
        with viewing(browser, gateway, cookie) as viewer:
            page = viewer.goto("/admin")

            steps = page.get_by_role("region", name="First steps")
            expect(steps).to_contain_text("none yet")
            assert steps.get_by_role("link").all_inner_texts() == [
                "Give a provider's key",
                "Make a token",
                "Ask something in the playground",
            ]
            assert viewer.violations() == []
