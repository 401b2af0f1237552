"""Semantic caches before real clients: the local embedder and the verifier, over the store in a file and over a real Chroma."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from anthropic import Anthropic
from anthropic import DefaultHttpxClient as AnthropicHttp
from ollama import Client as Ollama
from openai import DefaultHttpxClient, OpenAI

from tests.chroma_server import running_chroma
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.smart_models import add_smart_models, stats_of
from tests.e2e.standin import Answer, Exchange, StandIn
from tests.smart import make_smart

ANSWER = "The capital of France is Paris, and it has been so for most of the time since the tenth century. " * 3
ASKED = "What is the capital of France?"
AGAIN = "Could you please tell me what the capital of France is?"
OTHER = "What is the capital of Germany?"
USAGE = {"prompt_tokens": 20, "completion_tokens": 80, "total_tokens": 100}
PRICES = {"acme/gpt-x": {"input": "10", "output": "50"}}
WARM_S = 60.0


def answered(exchange: Exchange) -> Answer:
    """What the provider says to each call: the question, so that a wrong hit is seen."""
    asked = exchange.json["messages"][-1]["content"]
    text = f"{ANSWER} ({asked})"
    head = {"id": "chatcmpl-up", "created": 1767225600, "model": "gpt-x-2026"}
    if exchange.json.get("stream"):
        begin = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        chunks = ({"choices": [begin]}, {"choices": [end]}, {"choices": [], "usage": USAGE})
        return Answer.events(*(head | {"object": "chat.completion.chunk"} | chunk for chunk in chunks))
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Answer.json(head | {"object": "chat.completion", "choices": [choice], "usage": USAGE})


CACHES = (
    make_smart("cache", "faq", min_cached_tokens=10, recheck_percent=0, time_budget_ms=30_000, tags=["cached"]),
    make_smart("cache", "hasty", min_cached_tokens=10, recheck_percent=0),
    make_smart("cache", "shared", min_cached_tokens=10, coalesce=True, share="everyone", time_budget_ms=30_000),
    make_smart("alias", "help", target="faq"),
)


@pytest.fixture(scope="module", params=["embedded", "chroma"])
def cached(
    request: pytest.FixtureRequest, provider: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with caches, on either store."""
    config = {
        "acme": {"base_url": f"{provider.base_url}/v1", "supported_models": ["gpt-x"], "retries": 0, "breaker": False}
    }
    folder = tmp_path_factory.mktemp("cached")
    if request.param == "embedded":
        with running(folder, config, {}) as gateway:
            yield gateway
        return
    with running_chroma(folder / "chroma") as server, running(folder, config, {"CHROMA_URL": server.url}) as gateway:
        yield gateway


def running(folder: Path, config: dict[str, Any], environ: dict[str, str]) -> Any:
    add_smart_models(Gateway(folder, config, environ), *CACHES)
    return running_gateway(folder, config, environ, prices=PRICES)


@pytest.fixture(autouse=True)
def _answering(standin: StandIn) -> None:
    standin.answer = answered


def ask(gateway: Gateway, text: str, model: str = "faq", *, token: str | None = None, **body: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token or gateway.token}", **body.pop("headers", {})}
    payload = {"model": model, "messages": [{"role": "user", "content": text}], **body}
    return httpx.post(
        f"{gateway.base_url}/v1/chat/completions", json=payload, headers=headers, trust_env=False, timeout=60
    )


def ask_until(gateway: Gateway, text: str, status: str, **more: Any) -> httpx.Response:
    """Asks until the cache says so: what is answered is kept a moment later."""
    until = time.monotonic() + WARM_S
    while (response := ask(gateway, text, **more)).headers["x-relay-cache"] != status:
        assert time.monotonic() < until, response.headers
        time.sleep(0.1)
    return response


def fresh_token(gateway: Gateway) -> str:
    """Of a user who has asked nothing yet."""
    return gateway.add_token(f"user-{time.monotonic_ns()}")


def test_paraphrase_is_answered_from_the_cache_and_another_question_is_not(cached: Gateway, standin: StandIn) -> None:
    token = fresh_token(cached)

    first = ask(cached, ASKED, token=token)
    same = ask_until(cached, ASKED, "hit", token=token)
    sent = len(standin.posts)
    alike = ask(cached, AGAIN, token=token)
    other = ask(cached, OTHER, token=token)

    assert (first.headers["x-relay-cache"], other.headers["x-relay-cache"]) == ("miss", "miss")
    assert first.headers["x-relay-resolved"] == "cache:faq>acme/gpt-x"
    assert (alike.headers["x-relay-cache"], alike.headers["x-relay-resolved"]) == ("hit", "cache:faq")
    texts = [each.json()["choices"][0]["message"]["content"] for each in (first, same, alike)]
    assert texts == [f"{ANSWER} ({ASKED})"] * 3
    assert alike.json()["usage"]["completion_tokens"] == 80
    assert len(standin.posts) == sent + 1
    assert OTHER in other.text


def test_hit_costs_nothing_and_its_row_says_so(cached: Gateway) -> None:
    token = fresh_token(cached)
    ask(cached, ASKED, token=token)

    hit = ask_until(cached, ASKED, "hit", token=token, model="help")

    row = cached.row_of(hit.headers["x-request-id"])
    told = {name: row[name] for name in ("cache", "alias", "cache_hit", "cost", "output_tokens", "provider", "tags")}
    assert told == {
        "cache": "faq", "alias": "help", "cache_hit": 1, "cost": 0, "output_tokens": 0, "provider": None, "tags": "cached"
    }  # fmt: skip
    assert hit.headers["x-relay-cost"] == "0"


def test_nobody_gets_what_another_user_was_told(cached: Gateway) -> None:
    alice, bob = fresh_token(cached), fresh_token(cached)
    ask(cached, ASKED, token=alice)
    ask_until(cached, ASKED, "hit", token=alice)

    assert ask(cached, ASKED, token=bob).headers["x-relay-cache"] == "miss"


def test_streams_and_whole_replies_of_three_apis_share_one_answer(cached: Gateway, standin: StandIn) -> None:
    token = fresh_token(cached)
    messages: Any = [{"role": "user", "content": ASKED}]
    ask(cached, ASKED, token=token, max_tokens=500)
    ask_until(cached, ASKED, "hit", token=token, max_tokens=500)
    sent = len(standin.posts)

    with ExitStack() as stack:
        openai = stack.enter_context(
            OpenAI(
                base_url=f"{cached.base_url}/v1",
                api_key=token,
                max_retries=0,
                http_client=DefaultHttpxClient(trust_env=False),
            )
        )
        anthropic = stack.enter_context(
            Anthropic(
                base_url=cached.base_url, api_key=token, max_retries=0, http_client=AnthropicHttp(trust_env=False)
            )
        )
        ollama = Ollama(cached.base_url, headers={"authorization": f"Bearer {token}"}, trust_env=False)
        stack.callback(ollama._client.close)
        chunks = list(openai.chat.completions.create(model="faq", messages=messages, stream=True, max_tokens=500))
        whole = openai.chat.completions.create(model="faq", messages=messages, max_tokens=500)
        message = anthropic.messages.create(model="faq", messages=messages, max_tokens=500)
        with anthropic.messages.stream(model="faq", messages=messages, max_tokens=500) as stream:
            streamed = stream.get_final_message()
        chat = ollama.chat("faq", messages, options={"num_predict": 500})
        lines = list(ollama.chat("faq", messages, stream=True, options={"num_predict": 500}))
        generated = ollama.generate("faq", ASKED, options={"num_predict": 500})

    expected = f"{ANSWER} ({ASKED})"
    assert len(standin.posts) == sent
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == expected
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert whole.choices[0].message.content == expected
    for each in (message, streamed):
        assert [block.text for block in each.content if block.type == "text"] == [expected]
        assert each.stop_reason == "end_turn"
    assert chat.message.content == generated.response == expected
    assert "".join(line.message.content or "" for line in lines) == expected
    assert lines[-1].done


@pytest.mark.parametrize(("control", "status"), [("no-cache", "miss"), ("no-store", "bypass")])
def test_cache_control_is_obeyed(cached: Gateway, control: str, status: str) -> None:
    token = fresh_token(cached)
    ask(cached, ASKED, token=token)
    ask_until(cached, ASKED, "hit", token=token)

    assert ask(cached, ASKED, token=token, headers={"cache-control": control}).headers["x-relay-cache"] == status


def test_what_a_cache_counts_is_written_to_its_row(cached: Gateway) -> None:
    token = fresh_token(cached)
    before = stats_of(cached, "shared")
    ask(cached, ASKED, "shared", token=token)
    ask_until(cached, ASKED, "hit", model="shared", token=token)

    until = time.monotonic() + 10
    while True:
        after = stats_of(cached, "shared")
        if after["cache_hits"] > before["cache_hits"]:
            break
        assert time.monotonic() < until, after
        time.sleep(0.1)

    hits = after["cache_hits"] - before["cache_hits"]
    assert after["tokens_saved"] - before["tokens_saved"] == 100 * hits
    # 20 tokens at 10 and 80 at 50 USD for a million.
    assert after["cost_saved"] - before["cost_saved"] == hits * Decimal("0.0042")


def test_calls_of_other_names_know_nothing_of_caches(cached: Gateway) -> None:
    response = ask(cached, ASKED, "acme/gpt-x")

    assert "x-relay-cache" not in response.headers


def test_calls_go_on_when_chroma_is_killed_in_the_midst_of_them(provider: StandIn, tmp_path: Path) -> None:
    config = {
        "acme": {"base_url": f"{provider.base_url}/v1", "supported_models": ["gpt-x"], "retries": 0, "breaker": False}
    }
    with (
        running_chroma(tmp_path / "chroma") as server,
        running(tmp_path, config, {"CHROMA_URL": server.url}) as gateway,
    ):
        ask(gateway, ASKED)
        ask_until(gateway, ASKED, "hit")

        server.kill()
        responses = [ask(gateway, ASKED, "hasty") for _ in range(20)]

        assert {response.status_code for response in responses} == {200}
        assert {response.headers["x-relay-cache"] for response in responses} == {"miss"}
        row = gateway.row_of(responses[0].headers["x-request-id"])
        assert row["warnings"].startswith("cache hasty: ")
        assert json.loads(responses[0].text)["choices"]


def test_administrator_sees_what_a_cache_keeps_and_clears_it(cached: Gateway) -> None:
    token = fresh_token(cached)
    with httpx.Client(
        base_url=f"{cached.base_url}/admin/api/caches",
        headers={"authorization": f"Bearer {cached.add_token(f'admin-{time.monotonic_ns()}', admin=True)}"},
        trust_env=False,
        timeout=60,
    ) as admin:
        ask(cached, ASKED, "hasty", token=token)
        ask_until(cached, ASKED, "hit", model="hasty", token=token)

        before = admin.get("/hasty/stats").json()
        cleared = admin.post("/hasty/clear").json()

        assert before["entries"] == cleared["cleared"] >= 1
        assert before["name"] == "hasty"
        assert admin.get("/hasty/stats").json()["entries"] == 0
        assert ask(cached, ASKED, "hasty", token=token).headers["x-relay-cache"] == "miss"
        assert admin.post("/nothing/clear").status_code == 404


def test_answer_that_was_wrong_is_not_given_to_that_question_again(cached: Gateway) -> None:
    token = fresh_token(cached)
    admin = {"authorization": f"Bearer {cached.add_token(f'admin-{time.monotonic_ns()}', admin=True)}"}
    wrong = f"{cached.base_url}/admin/api/caches/faq/wrong"
    ask(cached, ASKED, token=token)
    ask_until(cached, ASKED, "hit", token=token)
    pair = ask(cached, AGAIN, token=token).headers["x-relay-cache-id"]

    refused = httpx.post(wrong, json={"id": "x"}, headers=admin, trust_env=False)
    said = httpx.post(wrong, json={"id": pair}, headers=admin, trust_env=False)

    assert (refused.status_code, said.status_code) == (422, 204)
    assert ask(cached, AGAIN, token=token).headers["x-relay-cache"] == "miss"
    assert ask(cached, ASKED, token=token).headers["x-relay-cache"] == "hit"
