"""The playground: conversations with a scripted provider, what is told of each call, and how one is stopped."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.viewer import Viewer
from tests.e2e.conftest import MODEL
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, StandIn

USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


def chunk(text: str) -> dict[str, object]:
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }


LAST = {**chunk(""), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE}


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def fact(page: Page, name: str) -> str:
    return page.locator(f"#panel-receipt dt:text-is('{name}') + dd").inner_text()


@pytest.mark.parametrize(
    ("dialect", "path"), [("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages"), ("ollama", "/api/chat")]
)
def test_conversation_is_streamed_and_told_of_in_each_dialect(
    viewer: Viewer, gateway: Gateway, provider: StandIn, dialect: str, path: str
) -> None:
    provider.forget()
    provider.answer = Answer.events(chunk("<b>Good"), chunk(" day</b>"), LAST)
    page = viewer.goto(f"/admin/playground?model={MODEL}&dialect={dialect}")

    page.get_by_label("System prompt").fill("Be polite.")
    say(page, "Hello")
    turns = page.get_by_label("Turns")
    expect(turns.get_by_text("<b>Good day</b>")).to_have_count(1)
    say(page, "Once more, it's nice")
    expect(turns.get_by_text("<b>Good day</b>")).to_have_count(2)
    page.get_by_role("button", name="Send", exact=True).wait_for()

    messages = provider.posts[-1].json["messages"]
    assert [each["role"] for each in messages] == ["system", "user", "assistant", "user"]
    assert "input=11, output=3" in fact(page, "Tokens")
    assert fact(page, "Provider") == "openai"
    row = gateway.row_of(fact(page, "Request"))
    assert (row["username"], row["tags"], row["outcome"]) == ("admin:admin", "playground", "ok")
    page.get_by_role("tab", name="Request", exact=True).click()
    assert page.get_by_label("Raw request").inner_text().startswith(f"POST {path}\n")
    page.get_by_role("tab", name="Reply").click()
    assert "x-request-id" in page.get_by_label("Raw reply").inner_text()
    page.get_by_role("tab", name="Code").click()
    code = page.locator("#panel-code pre")
    assert f"{gateway.base_url}{path}" in code.inner_text()
    assert r"it'\''s nice" in code.inner_text()
    for language in ("OpenAI", "Anthropic", "Ollama"):
        page.get_by_label("Client").select_option(f"{language} (Python)")
        assert "YOUR_TOKEN" in code.inner_text()
        compile(code.inner_text(), language, "exec")
    assert viewer.violations() == []


def test_stop_ends_the_call_and_keeps_what_came(viewer: Viewer, gateway: Gateway, provider: StandIn) -> None:
    provider.forget()
    provider.answer = Answer.events(chunk("Once upon a time"), done=False, hold=True)
    page = viewer.goto(f"/admin/playground?model={MODEL}")

    say(page, "Tell me a story")
    page.get_by_label("Turns").get_by_text("Once upon a time").wait_for()
    page.get_by_role("button", name="Stop").click()

    page.get_by_text("Stopped.").wait_for()
    assert provider.wait_for_post().wait_until_left()
    assert gateway.row_of(fact(page, "Request"))["outcome"] == "client_gone"


def test_error_is_shown_as_text_and_what_was_typed_stays(viewer: Viewer, provider: StandIn) -> None:
    words = "<img src=x onerror=alert(1)> \u202e" + "wrong " * 50
    provider.answer = Answer.json({"error": {"message": words, "type": "invalid_request_error"}}, 400)
    viewer.expect("400")
    page = viewer.goto(f"/admin/playground?model={MODEL}")

    say(page, "Hello")

    page.get_by_role("alert").get_by_text("<img src=x onerror=alert(1)>").wait_for()
    assert page.get_by_role("textbox", name="Message").input_value() == "Hello"
    assert fact(page, "Status") == "400"


def test_call_by_a_token_goes_its_own_way_and_the_token_is_shown_nowhere(viewer: Viewer, gateway: Gateway) -> None:
    token = gateway.add_token(username="playing")
    page = viewer.goto("/admin/playground?model=demo")

    page.get_by_label("Call as").select_option("token")
    page.get_by_label("Token", exact=True).fill(token)
    say(page, "Hello")
    page.get_by_label("Turns").get_by_text("built-in demo").wait_for()
    page.get_by_role("button", name="Send", exact=True).wait_for()

    assert gateway.row_of(fact(page, "Request"))["username"] == "playing"
    assert token not in page.content()


def test_way_of_a_call_is_explained_without_sending_it(viewer: Viewer, provider: StandIn) -> None:
    provider.forget()
    page = viewer.goto(f"/admin/playground?model={MODEL}")

    page.get_by_role("button", name="Explain the way").click()

    page.get_by_text(f"It would lead to openai/{MODEL}").wait_for()
    assert provider.posts == []
    assert viewer.violations() == []
