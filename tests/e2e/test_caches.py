"""Semantic caches before real clients: the local embedder and the verifier, over the store in a file and over a real Chroma."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
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
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, free_port, running_gateway
from tests.e2e.smart_models import add_smart_models, stats_of
from tests.e2e.standin import Answer, Exchange, StandIn
from tests.e2e.surfaces import EACH_SURFACE, EACH_WAY, OPENAI, SURFACES, Surface
from tests.smart import make_smart

ANSWER = "The capital of France is Paris, and it has been so for most of the time since the tenth century. " * 3
ASKED = "What is the capital of France?"
AGAIN = "Could you please tell me what the capital of France is?"
OTHER = "What is the capital of Germany?"
USAGE = {"prompt_tokens": 20, "completion_tokens": 80, "total_tokens": 100}
PRICES = {"acme/gpt-x": {"input": "10", "output": "50"}}
WARM_S = 60.0
BRIEF_S = 2.0


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
    make_smart("cache", "counted", min_cached_tokens=10, recheck_percent=0, time_budget_ms=30_000),
    make_smart("cache", "brief", min_cached_tokens=10, ttl_hours=BRIEF_S / 3600, time_budget_ms=30_000),
    make_smart("cache", "long-only", min_cached_tokens=500, time_budget_ms=30_000),
    make_smart("cache", "short-only", min_cached_tokens=0, max_cached_tokens=20, time_budget_ms=30_000),
    make_smart("cache", "any-system", min_cached_tokens=10, match_system_prompt=False, time_budget_ms=30_000),
    make_smart("cache", "last-turn", min_cached_tokens=10, match_last_message_only=True, time_budget_ms=30_000),
    make_smart("cache", "faq", min_cached_tokens=10, recheck_percent=0, time_budget_ms=30_000, tags=["cached"]),
    make_smart("cache", "hasty", min_cached_tokens=10, recheck_percent=0),
    make_smart("alias", "help", target="faq"),
)


@pytest.fixture(scope="module", params=["embedded", "chroma"])
def cached(
    request: pytest.FixtureRequest, provider: StandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with caches, on either store."""
    config = config_at(provider)
    folder = tmp_path_factory.mktemp("cached")
    if request.param == "embedded":
        with running(folder, config, {}) as gateway:
            yield gateway
        return
    with running_chroma(folder / "chroma") as server, running(folder, config, {"CHROMA_URL": server.url}) as gateway:
        yield gateway


def config_at(provider: StandIn) -> dict[str, Any]:
    return {"acme": {"base_url": f"{provider.base_url}/v1", "supported_models": ["gpt-x"], **ONE_ATTEMPT}}


def running(folder: Path, config: dict[str, Any], environ: dict[str, str]) -> Any:
    add_smart_models(Gateway(folder, config, environ), *CACHES)
    return running_gateway(folder, config, environ, prices=PRICES)


@pytest.fixture(autouse=True)
def _answering(standin: StandIn) -> None:
    standin.answer = answered


def ask(
    gateway: Gateway,
    text: str,
    model: str = "faq",
    surface: Surface = OPENAI,
    *,
    token: str | None = None,
    streamed: bool = False,
    before: Sequence[dict[str, str]] = (),
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx.Response:
    """A chat that ends with `text`; `before` are the messages before it."""
    body = surface.body([*before, {"role": "user", "content": text}], streamed=streamed)
    return httpx.post(
        gateway.base_url + surface.path,
        json={"model": model, **body, **fields},
        headers={"authorization": f"Bearer {token or gateway.token}", **(headers or {})},
        trust_env=False,
        timeout=60,
    )


def ask_until(gateway: Gateway, text: str, status: str, *more: Any, **fields: Any) -> httpx.Response:
    """Asks until the cache says so: what is answered is kept a moment later."""
    until = time.monotonic() + WARM_S
    while (response := ask(gateway, text, *more, **fields)).headers["x-relay-cache"] != status:
        assert time.monotonic() < until, response.headers
        time.sleep(0.05)
    return response


def status(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return response.headers["x-relay-cache"]


@dataclass(frozen=True)
class Client:
    """A user whom nobody knows yet, at one API, who wants all replies whole, or all as streams."""

    gateway: Gateway
    surface: Surface
    streamed: bool
    token: str

    def ask(self, text: str, model: str = "faq", **more: Any) -> httpx.Response:
        return ask(self.gateway, text, model, self.surface, streamed=self.streamed, token=self.token, **more)

    def teach(self, text: str, model: str = "faq", **more: Any) -> httpx.Response:
        """Ask until the answer is kept; the last reply is a hit."""
        more |= {"streamed": self.streamed, "token": self.token}
        return ask_until(self.gateway, text, "hit", model, self.surface, **more)

    def read(self, response: httpx.Response) -> str:
        """The text of a reply that is of the kind that was asked for, and complete."""
        answer = self.surface.read(response, streamed=self.streamed)
        assert answer.reason == "stop"
        assert response.headers["content-type"].partition(";")[0] == KINDS[self.surface.dialect][self.streamed]
        return answer.text


KINDS = {
    "openai": ("application/json", "text/event-stream"),
    "anthropic": ("application/json", "text/event-stream"),
    "ollama": ("application/json", "application/x-ndjson"),
}
"""The media types of replies, whole and streamed."""


@pytest.fixture
def client(cached: Gateway, surface: Surface, streamed: bool) -> Client:
    return Client(cached, surface, streamed, fresh_token(cached))


@pytest.fixture
def clients(cached: Gateway) -> list[Client]:
    """One of each API and kind of reply, for what needs time: they wait together."""
    return [
        Client(cached, surface, streamed, fresh_token(cached)) for surface in SURFACES for streamed in (False, True)
    ]


def settled_stats(gateway: Gateway, name: str, *, more_than: int = 0) -> dict[str, Any]:
    """What a cache counted once nothing is added any more; it is written once a second."""
    until, last = time.monotonic() + 10, None
    while (now := stats_of(gateway, name)) != last or now["total_requests"] <= more_than:
        assert time.monotonic() < until, now
        last = now
        time.sleep(1.2)
    return now


@contextmanager
def admin_of(gateway: Gateway) -> Iterator[httpx.Client]:
    """Of the admin API of caches."""
    headers = {"authorization": f"Bearer {gateway.add_token(f'admin-{time.monotonic_ns()}', admin=True)}"}
    with httpx.Client(
        base_url=f"{gateway.base_url}/admin/api/caches", headers=headers, trust_env=False, timeout=60
    ) as client:
        yield client


def fresh_token(gateway: Gateway) -> str:
    """Of a user who has asked nothing yet."""
    return gateway.add_token(f"user-{time.monotonic_ns()}")


# (z), each of its points
@EACH_WAY
@EACH_SURFACE
def test_paraphrase_is_answered_from_the_cache_and_another_question_is_not(client: Client, standin: StandIn) -> None:
    first = client.ask(ASKED)
    same = client.teach(ASKED)
    sent = len(standin.posts)
    alike = client.ask(AGAIN)
    other = client.ask(OTHER)

    assert (status(first), status(alike), status(other)) == ("miss", "hit", "miss")
    assert [each.headers["x-relay-resolved"] for each in (first, alike)] == ["cache:faq>acme/gpt-x", "cache:faq"]
    assert [client.read(each) for each in (first, same, alike)] == [f"{ANSWER} ({ASKED})"] * 3
    assert client.read(other) == f"{ANSWER} ({OTHER})"
    assert len(standin.posts) == sent + 1


def test_answer_is_kept_for_its_time(clients: list[Client]) -> None:
    for client in clients:
        client.teach(ASKED, "brief")
    time.sleep(BRIEF_S)

    assert {status(client.ask(ASKED, "brief")) for client in clients} == {"miss"}


def test_answers_that_are_too_short_or_too_long_are_not_kept(clients: list[Client]) -> None:
    for client in clients:
        client.ask(ASKED, "long-only")
        client.ask(ASKED, "short-only")
        client.teach(ASKED)  # which is kept after those before it would have been

    for client in clients:
        assert status(client.ask(ASKED, "long-only")) == status(client.ask(ASKED, "short-only")) == "miss"


@EACH_WAY
@EACH_SURFACE
def test_system_prompt_counts_unless_the_cache_says_otherwise(client: Client) -> None:
    brief, polite = ([{"role": "system", "content": text}] for text in ("Be brief.", "Be polite."))
    client.teach(ASKED, before=brief)
    client.teach(ASKED, "any-system", before=brief)

    assert status(client.ask(ASKED, before=polite)) == "miss"
    assert status(client.ask(ASKED, "any-system", before=polite)) == "hit"


@EACH_WAY
@EACH_SURFACE
def test_turns_before_the_last_count_unless_the_cache_says_otherwise(client: Client) -> None:
    greeted, asked = (
        [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}] for text in ("Hi", "OK?")
    )
    client.teach(ASKED, before=greeted)
    client.teach(ASKED, "last-turn", before=greeted)

    assert status(client.ask(ASKED, before=asked)) == "miss"
    assert status(client.ask(ASKED, "last-turn", before=asked)) == "hit"


@EACH_WAY
@EACH_SURFACE
def test_nobody_gets_what_another_user_was_told(client: Client, cached: Gateway) -> None:
    client.teach(ASKED)

    assert status(replace(client, token=fresh_token(cached)).ask(ASKED)) == "miss"


@EACH_WAY
@EACH_SURFACE
def test_cache_that_is_cleared_asks_again(client: Client, cached: Gateway) -> None:
    client.teach(ASKED, "hasty")
    with admin_of(cached) as admin:
        before = admin.get("/hasty/stats").json()
        cleared = admin.post("/hasty/clear").json()

        assert before["entries"] == cleared["cleared"] >= 1
        assert before["name"] == "hasty"
        assert admin.get("/hasty/stats").json()["entries"] == 0
        assert admin.post("/nothing/clear").status_code == 404
    assert status(client.ask(ASKED, "hasty")) == "miss"


def test_what_is_saved_is_counted(clients: list[Client], cached: Gateway) -> None:
    for client in clients:
        client.teach(ASKED, "counted")
    before = settled_stats(cached, "counted")
    for client in clients:
        assert status(client.ask(ASKED, "counted")) == "hit"

    after = settled_stats(cached, "counted", more_than=before["total_requests"] + len(clients) - 1)

    assert (
        after["cache_hits"] - before["cache_hits"] == after["total_requests"] - before["total_requests"] == len(clients)
    )
    assert after["tokens_saved"] - before["tokens_saved"] == 100 * len(clients)
    # 20 tokens at 10 and 80 at 50 USD for a million.
    assert after["cost_saved"] - before["cost_saved"] == len(clients) * Decimal("0.0042")


@pytest.fixture(scope="module")
def storeless(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose Chroma is nowhere."""
    nowhere = {"CHROMA_URL": f"http://127.0.0.1:{free_port()}"}
    with running(tmp_path_factory.mktemp("storeless"), config_at(provider), nowhere) as gateway:
        yield gateway


@EACH_WAY
@EACH_SURFACE
def test_without_its_store_the_target_answers(storeless: Gateway, surface: Surface, streamed: bool) -> None:
    client = Client(storeless, surface, streamed, storeless.token)

    for response in (client.ask(ASKED, "hasty"), client.ask(ASKED, "hasty")):
        assert status(response) == "miss"
        assert client.read(response) == f"{ANSWER} ({ASKED})"


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


def test_calls_of_other_names_know_nothing_of_caches(cached: Gateway) -> None:
    response = ask(cached, ASKED, "acme/gpt-x")

    assert "x-relay-cache" not in response.headers


def test_calls_go_on_when_chroma_is_killed_in_the_midst_of_them(provider: StandIn, tmp_path: Path) -> None:
    config = config_at(provider)
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


def test_answer_that_was_wrong_is_not_given_to_that_question_again(cached: Gateway) -> None:
    token = fresh_token(cached)
    ask(cached, ASKED, token=token)
    ask_until(cached, ASKED, "hit", token=token)
    pair = ask(cached, AGAIN, token=token).headers["x-relay-cache-id"]

    with admin_of(cached) as admin:
        refused = admin.post("/faq/wrong", json={"id": "x"})
        said = admin.post("/faq/wrong", json={"id": pair})

    assert (refused.status_code, said.status_code) == (400, 204)
    assert ask(cached, AGAIN, token=token).headers["x-relay-cache"] == "miss"
    assert ask(cached, ASKED, token=token).headers["x-relay-cache"] == "hit"
