"""Tokens and users in a browser: made, used, changed, turned, refused, deleted."""

import re

import httpx
from playwright.sync_api import Browser, Page, expect

from app.auth.tokens import id_of
from tests.browser.viewer import Viewer, viewing
from tests.e2e.gateway import Gateway

_ODD = 'dr. <script>alert(1)</script> "o\'neil"'


def make_token(page: Page, username: str) -> str:
    """By clicking; its text."""
    page.get_by_role("button", name="New token").click()
    dialog = page.get_by_role("dialog", name="New token")
    dialog.get_by_label("User").fill(username)
    dialog.get_by_label("Calls a UTC day").fill("20")
    dialog.get_by_label("Expires").fill("2099-01-01T12:00")
    dialog.get_by_label("Models").fill("demo, openai/*")
    dialog.get_by_label("Tags").fill("by-clicking")
    dialog.get_by_label("USD a UTC day").fill("1.5")
    dialog.get_by_label("Calls at the same time").fill("4")
    dialog.get_by_role("button", name="Make the token").click()
    issued = page.get_by_role("dialog", name=f"The token of {username}")
    text = issued.locator(".secret code").inner_text()
    for client, words in (
        ("OpenAI", "from openai import OpenAI"),
        ("Anthropic", "from anthropic import Anthropic"),
        ("Ollama", "from ollama import Client"),
        ("curl", "-H 'authorization: Bearer"),
    ):
        issued.get_by_role("tab", name=client).click()
        expect(issued.locator("pre")).to_contain_text(words)
        expect(issued.locator("pre")).to_contain_text(text)
    return text


def call(viewer: Viewer, token: str) -> int:
    return httpx.post(
        f"{viewer.base_url}/v1/chat/completions",
        headers={"authorization": f"Bearer {token}"},
        json={"model": "demo", "messages": [{"role": "user", "content": "Hi"}]},
        trust_env=False,
    ).status_code


def test_token_is_made_used_changed_turned_disabled_and_deleted(viewer: Viewer) -> None:
    page = viewer.goto("/admin/tokens")
    text = make_token(page, _ODD)
    assert viewer.violations() == []
    page.get_by_role("button", name="Done").click()
    assert text not in page.content()
    assert call(viewer, text) == 200

    viewer.goto("/admin/tokens?state=active&search=by-clicking")
    row = page.get_by_role("row").filter(has_text=_ODD)
    expect(row).to_contain_text(re.compile(r"[01] of 20"))  # a call is counted some moments later
    expect(row).to_contain_text("$0.00 of $1.50")
    row.get_by_role("button", name=_ODD).click()
    detail = page.get_by_role("dialog", name=f"Token of {_ODD}")
    expect(detail).to_contain_text("$0.00 of $1.50")
    expect(detail.locator("canvas")).to_be_visible()
    expect(detail.get_by_role("link", name="Usage in full")).to_have_attribute(
        "href", re.compile(r"/admin/usage\?tokens=\w{8}&days=30")
    )
    assert viewer.violations() == []

    detail.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name=re.compile("Change the token"))
    expect(form.get_by_label("Expires")).to_have_value("2099-01-01T12:00")
    viewer.expect("400")
    form.get_by_label("Expires").fill("2001-01-01T12:00")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("in the past")
    form.get_by_label("Expires").fill("")
    form.get_by_label("USD a UTC day").fill("")
    form.get_by_label("Calls a UTC day").fill("2")
    form.get_by_role("button", name="Save").click()
    expect(detail).to_contain_text(re.compile(r"[01] of 2\b"))
    expect(detail).not_to_contain_text("Budget a day")

    detail.get_by_role("button", name="Rotate").click()
    rotation = page.get_by_role("dialog", name="New text for the token of")
    rotation.get_by_label("Hours").fill("0")
    rotation.get_by_role("button", name="Rotate").click()
    new = page.get_by_role("dialog", name="The new text of").locator(".secret code").inner_text()
    assert new != text
    page.get_by_role("button", name="Done").click()

    detail.get_by_role("button", name="Disable").click()
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    detail.get_by_role("button", name="Disable").click()
    page.locator("#confirm").get_by_role("button", name="Disable").click()
    detail.get_by_role("button", name="Enable").wait_for()
    detail.get_by_role("button", name="Enable").click()
    detail.get_by_role("button", name="Disable").wait_for()

    detail.get_by_role("button", name="Delete").click()
    page.locator("dialog#confirm").get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_users_have_limits_over_all_their_tokens(viewer: Viewer) -> None:
    page = viewer.goto("/admin/tokens?tab=users")
    page.get_by_role("button", name="Limit a user").click()
    dialog = page.get_by_role("dialog", name="Limit a user")
    dialog.get_by_label("User").fill("limited by clicking")
    dialog.get_by_label("Tokens a minute").fill("5000")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="limited by clicking")
    expect(row).to_contain_text("Tokens a minute 5,000")

    row.get_by_role("button").click()
    dialog = page.get_by_role("dialog", name="Limits of limited by clicking")
    expect(dialog).to_contain_text("0 of 5,000")
    assert viewer.violations() == []
    dialog.get_by_role("spinbutton", name="Tokens a minute").fill("")
    dialog.get_by_role("button", name="Save").click()

    expect(row).to_have_count(0)


def test_days_of_the_chart_begin_at_midnight_of_the_viewer(browser: Browser, gateway: Gateway, cookie: str) -> None:
    token = gateway.add_token(username="far-away")

    with viewing(browser, gateway, cookie, zone="America/New_York") as viewer:
        page = viewer.goto(f"/admin/tokens?id={id_of(token)}")
        chart = page.get_by_role("dialog", name="Token of far-away").locator(".chart")
        chart.locator(".u-over").hover()

        expect(chart.locator(".u-legend .u-value").first).to_contain_text(" 12:00:00 AM")
