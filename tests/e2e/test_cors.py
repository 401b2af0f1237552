"""Calls by web pages: what a browser asks before them, and what it lets a page see of the answers."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.chat import chunk
from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn, running_standin

pytestmark = pytest.mark.xdist_group("cors")

PAGE = "https://chat.example.com"
STRANGER = "https://evil.example.com"
CALLS = {
    "/v1/chat/completions": "authorization,content-type,x-stainless-lang,x-stainless-package-version,x-stainless-retry-count",
    "/v1/responses": "authorization,content-type,openai-beta,x-stainless-os",
    "/v1/messages": "anthropic-dangerous-direct-browser-access,anthropic-version,content-type,x-api-key,x-stainless-arch",
    "/v1beta/models/demo:streamGenerateContent?alt=sse": "content-type,x-goog-api-client,x-goog-api-key",
    "/api/chat": "content-type",
    "/api/tags": "authorization",
    "/v1/models": "authorization,x-relay-timeout-ms",
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


@pytest.fixture(scope="module")
def relay(upstream: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"one": {"base_url": f"{upstream.base_url}/v1", "supported_models": ["m"], "retries": 0}}
    environ = {"CORS_ORIGINS": f"http://localhost:3000, {PAGE}"}
    with running_gateway(tmp_path_factory.mktemp("some"), config, environ) as running:
        yield running


@pytest.fixture(scope="module")
def for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("all"), environ={"CORS_ORIGINS": "*"}) as running:
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("none")) as running:
        yield running


def preflight(gateway: Gateway, path: str, origin: str = PAGE, **further: str) -> httpx.Response:
    """What a browser asks before a call with headers of its own."""
    headers = {
        "origin": origin,
        "access-control-request-method": "GET" if path in ("/api/tags", "/v1/models") else "POST",
        "access-control-request-headers": CALLS[path],
        **further,
    }
    return httpx.options(gateway.base_url + path, headers=headers, trust_env=False)


def ask(gateway: Gateway, method: str, path: str, origin: str = PAGE, **options: Any) -> httpx.Response:
    headers = {"origin": origin, "authorization": f"Bearer {gateway.token}", **options.pop("headers", {})}
    return httpx.request(method, gateway.base_url + path, headers=headers, timeout=WAIT_S, trust_env=False, **options)


@pytest.mark.parametrize("path", CALLS)
def test_call_of_a_page_that_may_is_allowed_with_all_headers_of_its_sdk(relay: Gateway, path: str) -> None:
    answer = preflight(relay, path)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-headers"] == CALLS[path]
    assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in answer.headers
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("path", CALLS)
def test_call_of_any_other_page_is_not_allowed(relay: Gateway, path: str) -> None:
    answer = preflight(relay, path, STRANGER)

    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


def test_page_of_the_internet_may_call_a_gateway_in_the_local_network(relay: Gateway) -> None:
    answer = preflight(relay, "/api/chat", **{"access-control-request-private-network": "true"})

    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("path", CALLS)
def test_all_pages_may_call_where_that_is_wished(for_all: Gateway, path: str) -> None:
    answer = preflight(for_all, path, STRANGER)

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


@pytest.mark.parametrize("path", CALLS)
def test_no_page_may_call_where_nothing_is_said(closed: Gateway, path: str) -> None:
    asked, called = preflight(closed, path), ask(closed, "GET", "/v1/models")

    assert asked.status_code in (404, 405)
    assert called.status_code == 200
    assert not [name for name in (*asked.headers, *called.headers) if name.startswith("access-control")]


@pytest.mark.parametrize("stream", [False, True])
def test_page_may_read_an_answer_and_our_headers(relay: Gateway, *, stream: bool) -> None:
    answer = ask(relay, "POST", "/v1/chat/completions", json=chat("demo", stream=stream))

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    ours = {name for name in answer.headers if name.startswith(("x-relay-", "x-ratelimit-", "x-request-id"))}
    assert len(ours) >= 6
    assert exposed >= ours | {"retry-after", "x-relay-warnings"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/v1/chat/completions", {"headers": {"authorization": "Bearer none"}, "json": chat("demo")}, 401),
        ("POST", "/v1/chat/completions", {"json": chat("nobody")}, 404),
        ("POST", "/v1/messages", {"content": b"no json"}, 400),
        ("POST", "/v1beta/models/nobody:generateContent", {"json": {"contents": []}}, 400),
        ("POST", "/api/chat", {"json": chat("nobody")}, 404),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/v1/chat/completions", {}, 405),
    ],
)
def test_page_may_read_what_went_wrong(
    relay: Gateway, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = ask(relay, method, path, **options)

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, PAGE)


def test_any_other_page_may_not_read_an_answer(relay: Gateway) -> None:
    answer = ask(relay, "POST", "/v1/chat/completions", STRANGER, json=chat("demo"))

    assert "access-control-allow-origin" not in answer.headers


def test_stream_comes_while_the_provider_is_still_at_it(relay: Gateway, upstream: StandIn) -> None:
    upstream.forget()
    upstream.answer = Answer.events(chunk({"role": "assistant", "content": "Hello"}), done=False, hold=True)
    headers = {"origin": PAGE, "authorization": f"Bearer {relay.token}"}
    url = f"{relay.base_url}/v1/chat/completions"

    with httpx.stream(
        "POST", url, json=chat("one/m", stream=True), headers=headers, timeout=WAIT_S, trust_env=False
    ) as answer:
        first = next(answer.iter_raw())
        answered = upstream.posts[0].answered.is_set()

    assert b"Hello" in first
    assert not answered
    assert upstream.posts[0].wait_until_left()
