"""The playground: conversations with a scripted provider, what is told of each call, and how one is stopped."""

import io
import json
import re
import subprocess
from base64 import b64decode, b64encode
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.viewer import PASSWORD, Viewer, log_in, viewing
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
    page.get_by_role("progressbar", name="Loading").wait_for()
    page.get_by_role("button", name="Stop").click()

    page.get_by_role("progressbar", name="Loading").wait_for(state="hidden")
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


PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
WHOLE = {
    "id": "c2",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "A red dot"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
WHOLE_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "gpt-4o",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "A red dot", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14},
}


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "gemini", "ollama"])
def test_whole_reply_about_a_picture_comes_in_each_dialect(viewer: Viewer, provider: StandIn, dialect: str) -> None:
    provider.forget()
    provider.answer = Answer.json(WHOLE_RESPONSE if dialect == "responses" else WHOLE)
    page = viewer.goto(f"/admin/playground?model=gpt-4o&dialect={dialect}")

    page.get_by_label("Stream the reply").uncheck()
    page.get_by_label("Picture").set_input_files({"name": "a 'dot'.png", "mimeType": "image/png", "buffer": PNG})
    page.get_by_role("textbox", name="Message").fill("What costs $5 here?")
    page.get_by_role("button", name="Remove the picture").wait_for()
    page.get_by_role("tab", name="Code").click()
    code = page.locator("#panel-code pre")
    written = code.inner_text()
    assert "tr -d '\\n')" in written
    assert r"What costs \$5 here?" in written
    for language in ("OpenAI", "Anthropic", "Ollama"):
        page.get_by_label("Client").select_option(f"{language} (Python)")
        assert "picture_0 = b64encode(" in code.inner_text()
        compile(code.inner_text(), language, "exec")
    page.get_by_role("button", name="Send", exact=True).click()

    turns = page.get_by_label("Turns")
    turns.get_by_text("A red dot").wait_for()
    assert turns.get_by_role("img", name="Attached: a 'dot'.png").is_visible()
    page.get_by_role("tab", name="Receipt").click()
    assert "input=11, output=3" in fact(page, "Tokens")
    sent = provider.posts[-1].json
    assert not sent.get("stream")
    assert f"data:image/png;base64,{b64encode(PNG).decode()}" in str(sent)
    assert viewer.violations() == []


def said_by_curl(code: str) -> str:
    done = subprocess.run(["bash", "-e"], input=code, capture_output=True, text=True, timeout=60, check=True)
    return "".join(re.findall(r'"content":"([^"]*)"', done.stdout))


def said_by_python(code: str) -> str:
    written, names = io.StringIO(), dict[str, Any]()
    with redirect_stdout(written):
        exec(compile(code, "sample", "exec"), names)  # what somebody would paste
    names["client"].close()
    return written.getvalue().strip()


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_code_is_run_as_it_stands(
    viewer: Viewer, gateway: Gateway, provider: StandIn, tmp_path: Path, *, streamed: bool
) -> None:
    picture = "a 'red' dot.png"
    (tmp_path / picture).write_bytes(PNG)
    token = gateway.add_token()
    provider.answer = Answer.events(chunk("A red"), chunk(" dot"), LAST) if streamed else Answer.json(WHOLE)
    page = viewer.goto("/admin/playground?model=gpt-4o")
    page.get_by_label("System prompt").fill('Say "it\'s", \\ and `$HOME`.')
    if not streamed:
        page.get_by_label("Stream the reply").uncheck()
        page.get_by_label("Picture").set_input_files(
            {"name": picture, "mimeType": "image/png", "buffer": (tmp_path / picture).read_bytes()}
        )
    page.get_by_role("textbox", name="Message").fill("What costs $5 here?\nIt's a riddle.")
    page.get_by_role("tab", name="Code").click()

    for language in ("curl", "OpenAI (Python)", "Anthropic (Python)", "Ollama (Python)"):
        provider.forget()
        page.get_by_label("Client").select_option(language)
        code = (page.locator("#panel-code pre").text_content() or "").replace("YOUR_TOKEN", token)
        with chdir(tmp_path):
            said = said_by_curl(code) if language == "curl" else said_by_python(code)

        assert said == "A red dot", language
        sent = provider.posts[-1].json
        assert sent["messages"][0]["content"] == 'Say "it\'s", \\ and `$HOME`.', language
        assert "What costs $5 here?\\nIt's a riddle." in json.dumps(sent), language
        assert (b64encode(PNG).decode() in json.dumps(sent)) is not streamed, language


def test_viewer_calls_with_a_token_and_is_told_so(
    viewer: Viewer, browser: Browser, gateway: Gateway, provider: StandIn
) -> None:
    provider.answer = Answer.json(WHOLE)
    csrf = viewer.goto("/admin/playground").locator("meta[name=csrf-token]").get_attribute("content") or ""
    made = viewer.page.request.post(
        f"{gateway.base_url}/admin/api/administrators",
        data={"name": "playing-eve", "role": "viewer", "password": PASSWORD},
        headers={"x-csrf-token": csrf},
    )
    assert made.status == 201

    with viewing(browser, gateway, log_in(gateway, "playing-eve")) as other:
        page = other.goto("/admin/playground?model=gpt-4o")
        page.get_by_text("As a viewer you call with a token").wait_for()
        expect(page.get_by_label("Call as")).to_be_hidden()
        page.get_by_role("button", name="Explain the way").click()
        page.get_by_text("It would lead to openai/gpt-4o").wait_for()
        page.get_by_label("Stream the reply").uncheck()
        page.get_by_role("textbox", name="Message").fill("Hello")
        expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
        page.get_by_label("Token", exact=True).fill(gateway.add_token(username="playing-viewer"))
        page.get_by_role("button", name="Send", exact=True).click()

        page.get_by_label("Turns").get_by_text("A red dot").wait_for()
        assert gateway.row_of(fact(page, "Request"))["username"] == "playing-viewer"
        assert other.violations() == []

        assert "look(row)" not in other.goto("/admin/names?tab=cache").content()  # what a cache keeps is for admins
