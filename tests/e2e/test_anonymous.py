"""Calls without a token, from the addresses for which the operator allows them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway

pytestmark = pytest.mark.xdist_group("anonymous")

MESSAGES = [{"role": "user", "content": "Hello"}]
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
CALLS: dict[str, Any] = {
    "/v1/chat/completions": chat("demo"),
    "/v1/responses": {"model": "demo", "input": "Hello"},
    "/v1/messages": {"model": "demo", "max_tokens": 9, "messages": MESSAGES},
    "/v1beta/models/demo:generateContent": CONTENTS,
    "/v1beta/models/demo:streamGenerateContent?alt=sse": CONTENTS,
    "/api/chat": {"model": "demo", "messages": MESSAGES},
    "/api/generate": {"model": "demo", "prompt": "Hello"},
}
LISTS = ["/v1/models", "/v1/models/demo", "/v1beta/models", "/api/tags", "/api/ps"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """For callers of this machine. It listens on a socket for both families, so that their addresses are IPv4-mapped."""
    environ = {"SERVER_HOST": "::", "ANONYMOUS_USER": "lan", "ANONYMOUS_CIDRS": "127.0.0.1"}
    with running_gateway(tmp_path_factory.mktemp("home"), environ=environ, workers=2) as running:
        running.add_token("lan", rate_limit=100)
        wait_until_open(running)
        yield running


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """For callers of a network behind a proxy on this machine."""
    environ = {
        "ANONYMOUS_USER": "lan",
        "ANONYMOUS_CIDRS": "192.0.2.0/24, 2001:db8::/32",
        "TRUSTED_PROXIES": "127.0.0.0/8",
    }
    with running_gateway(tmp_path_factory.mktemp("proxied"), environ=environ) as running:
        running.add_token("lan")
        wait_until_open(running, {"x-forwarded-for": "192.0.2.7"})
        yield running


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """For callers of a network of which this machine is not; and the user has no token yet."""
    environ = {"ANONYMOUS_USER": "lan", "ANONYMOUS_CIDRS": "192.0.2.0/24"}
    with running_gateway(tmp_path_factory.mktemp("strange"), environ=environ) as running:
        yield running


def wait_until_open(gateway: Gateway, headers: dict[str, str] | None = None) -> None:
    """A token is known to all workers within a second; no answer may be wrong after that."""
    give_up_at = time.monotonic() + WAIT_S
    good = 0
    while good < 20:
        assert time.monotonic() < give_up_at, "calls without a token are still refused"
        status = httpx.get(f"{gateway.base_url}/v1/models", headers=headers, trust_env=False).status_code
        good = good + 1 if status == 200 else 0
        time.sleep(0.1 if status != 200 else 0)


def post(gateway: Gateway, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
    return httpx.post(
        f"{gateway.base_url}{path}",
        json=CALLS[path],
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        timeout=WAIT_S,
        trust_env=False,
    )


@pytest.mark.parametrize("path", CALLS)
def test_call_without_a_token_runs_as_the_user(home: Gateway, path: str) -> None:
    answer = post(home, path)

    assert answer.status_code == 200
    row = home.row_of(answer.headers["x-request-id"])
    assert row["username"] == "lan"
    assert answer.headers["x-ratelimit-limit-requests"] == "100"


EVIL = "https://evil.example"


@pytest.mark.parametrize("path", CALLS)
def test_page_of_a_browser_cannot_call_by_a_simple_post(home: Gateway, path: str) -> None:
    headers = {"origin": EVIL, "content-type": "text/plain"}

    answer = httpx.post(home.base_url + path, content=json.dumps(CALLS[path]), headers=headers, trust_env=False)

    assert answer.status_code == 403
    assert "CORS_ORIGINS" in answer.text
    assert "x-ratelimit-limit-requests" not in answer.headers


def test_page_of_the_gateways_own_host_may_call(home: Gateway) -> None:
    assert post(home, origin=home.base_url).status_code == 200


def test_page_is_refused_in_the_words_of_each_api(home: Gateway) -> None:
    answers = {path: post(home, path, origin=EVIL).json() for path in CALLS}

    assert answers["/v1/chat/completions"]["error"]["code"] == "origin_not_allowed"
    assert answers["/v1/messages"]["error"]["type"] == "permission_error"
    assert answers["/v1beta/models/demo:generateContent"]["error"]["status"] == "PERMISSION_DENIED"
    assert isinstance(answers["/api/chat"]["error"], str)


@pytest.mark.parametrize("path", LISTS)
def test_page_gets_no_list(home: Gateway, path: str) -> None:
    answer = httpx.get(home.base_url + path, headers={"origin": EVIL}, trust_env=False)

    assert (answer.status_code, "CORS_ORIGINS" in answer.text) == (403, True)


def test_page_with_a_token_may_call(home: Gateway) -> None:
    assert post(home, origin=EVIL, authorization=f"Bearer {home.token}").status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_list_without_a_token_is_the_users(home: Gateway, path: str) -> None:
    answer = httpx.get(home.base_url + path, trust_env=False)

    assert answer.status_code == 200
    assert "demo" in answer.text


def test_ollamas_client_needs_no_token(home: Gateway) -> None:
    with ollama.Client(host=home.base_url, trust_env=False) as client:
        names = [model.model for model in client.list().models]
        reply = client.chat(model="demo:latest", messages=MESSAGES)

    assert names == ["demo:latest"]
    assert "demo" in str(reply.message.content)


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer ollama"},
        {"authorization": f"Bearer lr_AAAAAAAA_{'1' * 43}"},
        {"x_api_key": "none"},
        {"x_goog_api_key": "none"},
        {"api_key": "none"},
    ],
)
def test_wrong_token_stays_wrong(proxied: Gateway, path: str, headers: dict[str, str]) -> None:
    # Each from an address of its own, for after thirty failures none is heard.
    number = 1 + list(CALLS).index(path) * 5 + len(str(headers)) % 200

    answer = post(proxied, path, **headers, x_forwarded_for=f"192.0.2.{number}")

    assert answer.status_code == 401


def test_sdks_that_have_to_send_some_key_are_told_that_it_is_wrong(home: Gateway) -> None:
    http = openai.DefaultHttpxClient(trust_env=False)
    own = openai.OpenAI(base_url=f"{home.base_url}/v1", api_key="none", max_retries=0, http_client=http)
    claude = anthropic.Anthropic(base_url=home.base_url, api_key="none", max_retries=0)

    with pytest.raises(openai.AuthenticationError):
        own.models.list()
    with pytest.raises(anthropic.AuthenticationError):
        claude.messages.create(model="demo", max_tokens=9, messages=[{"role": "user", "content": "Hello"}])
    claude.close()
    own.close()


def test_what_is_neither_a_call_nor_a_list_needs_a_token(home: Gateway) -> None:
    answer = httpx.get(f"{home.base_url}/v1/health/providers", trust_env=False)

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("forwarded_for", "status"),
    [
        ("192.0.2.7", 200),
        ("::ffff:192.0.2.7", 200),
        ("2001:db8::7", 200),
        ("203.0.113.9, 192.0.2.7", 200),
        ("203.0.113.9", 401),
        ("192.0.2.7, 203.0.113.9", 401),
        ("192.0.2.7, nonsense", 401),
        ("", 401),
    ],
)
def test_address_behind_a_proxy_is_what_the_proxy_says(proxied: Gateway, forwarded_for: str, status: int) -> None:
    assert post(proxied, x_forwarded_for=forwarded_for).status_code == status


def test_stranger_that_claims_an_address_is_not_believed(strange: Gateway) -> None:
    answer = post(strange, x_forwarded_for="192.0.2.7")

    assert answer.status_code == 401
    assert "No token was sent" in answer.json()["error"]["message"]


def test_user_without_a_token_is_told_of_at_the_start(strange: Gateway) -> None:
    assert "ANONYMOUS_USER is 'lan', who has no good token" in strange.output()
    assert "calls without a token from 192.0.2.0/24 run as 'lan'" in strange.output()
