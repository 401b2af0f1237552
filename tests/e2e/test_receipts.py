"""What replies tell of their cost: to every official SDK, and the same as is recorded."""

import contextlib
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types as gemini

from tests.e2e.chat import HELLO, USAGE, chunk, stream, whole
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.readers import READERS, Clients
from tests.e2e.standin import Answer, StandIn

PRICED = {**USAGE, "cost": 0.000123}
TOLD = "input=5, cache_read=16, output=5, reasoning=4"
COMMENT = f": x-relay-cost 0.000123; x-relay-usage {TOLD}\n\n".encode()
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/v1/chat/completions", {"messages": HELLO, "stream_options": {"include_usage": True}}),
    "responses": ("/v1/responses", {"input": "Hi"}),
    "anthropic": ("/v1/messages", {"messages": HELLO, "max_tokens": 9}),
    "gemini": (
        "/v1beta/models/priced/m:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    ),
    "ollama": ("/api/chat", {"messages": HELLO}),
}


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    entry = {"base_url": f"{provider.base_url}/v1", "supported_models": ["m"], **ONE_ATTEMPT}
    with running_gateway(tmp_path_factory.mktemp("receipts"), {"priced": entry}) as running:
        yield running


@pytest.fixture(scope="module")
def http(relay: Gateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {relay.token}"}
    with httpx.Client(base_url=relay.base_url, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


@contextlib.contextmanager
def sdks(relay: Gateway, receipt: str) -> Iterator[Clients]:
    """All SDKs, which ask for such a receipt."""
    headers = {"x-relay-receipt": receipt}
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("NO_PROXY", "127.0.0.1")
        clients = Clients(relay.base_url, relay.token)
        clients.openai = clients.openai.with_options(default_headers=headers)
        clients.anthropic = clients.anthropic.with_options(default_headers=headers)
        options = gemini.HttpOptions(base_url=relay.base_url, api_version="v1beta", headers=headers)
        clients.gemini = genai.Client(api_key=relay.token, http_options=options)
        clients.ollama._client.headers.update(headers)
        try:
            yield clients
        finally:
            clients.close()


def call(http: httpx.Client, client: str, *, streamed: bool = True, receipt: str | None = None) -> httpx.Response:
    path, body = CALLS[client]
    if not streamed:
        path = path.replace(":streamGenerateContent?alt=sse", ":generateContent")
        body = {key: value for key, value in body.items() if key != "stream_options"}
    asked = body if client == "gemini" else {**body, "model": "priced/m", "stream": streamed}
    return http.post(path, json=asked, headers={"x-relay-receipt": receipt} if receipt else {})


@pytest.mark.parametrize("client", CALLS)
def test_whole_reply_tells_in_headers_what_is_recorded(
    client: str, relay: Gateway, http: httpx.Client, standin: StandIn
) -> None:
    standin.answer = whole(usage=PRICED)

    answer = call(http, client, streamed=False)

    assert answer.status_code == 200
    assert (answer.headers["x-relay-cost"], answer.headers["x-relay-usage"]) == ("0.000123", TOLD)
    row = relay.row_of(answer.headers["x-request-id"])
    assert Decimal(row["cost"]) / 10**12 == Decimal("0.000123")
    assert (row["input_tokens"], row["cache_read_tokens"], row["requests"]) == (5, 16, 1)


@pytest.mark.parametrize("client", CALLS)
def test_stream_tells_in_a_last_comment_what_is_recorded(
    client: str, relay: Gateway, http: httpx.Client, standin: StandIn
) -> None:
    standin.answer = stream({"content": "Hi"}, usage=PRICED)

    answer = call(http, client)
    silent = call(http, client, receipt="none")

    row = relay.row_of(answer.headers["x-request-id"])
    assert row["cost"] == 123_000_000
    assert answer.content.endswith(b"\n")
    if client in ("ollama", "gemini"):  # lines have no comments, and Google's SDK fails at them
        assert b"x-relay" not in answer.content
    else:
        assert answer.content.endswith(COMMENT)
        assert answer.content.count(b"x-relay") == 2
    assert b"x-relay" not in silent.content
    assert "x-relay-cost" not in silent.headers


def test_stream_that_passes_is_as_it_came_but_for_the_comment(http: httpx.Client, standin: StandIn) -> None:
    standin.answer = stream({"content": "Hi"}, {"content": " there"}, usage=PRICED)

    answer = call(http, "openai")

    assert answer.content == b"".join(standin.answer.pieces) + COMMENT


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("client", READERS)
@pytest.mark.parametrize("form", ["comment", "chunk"])
def test_official_sdk_reads_the_same_whatever_it_is_told_of_the_cost(
    form: str, client: str, relay: Gateway, standin: StandIn, *, streamed: bool
) -> None:
    standin.answer = stream({"content": "Hi"}, usage=PRICED) if streamed else whole("Hi", usage=PRICED)
    with sdks(relay, form) as told, sdks(relay, "none") as untold:
        got = READERS[client](told, "priced/m", streamed=streamed)
        want = READERS[client](untold, "priced/m", streamed=streamed)

    assert got == want
    assert (got.text, got.prompt_tokens) == ("Hi", 21)
    assert [exchange.headers.get("x-relay-receipt") for exchange in standin.posts] == [None, None]


def usages_in(body: bytes) -> list[Any]:
    """All usage objects of a stream, and of lines the last."""
    documents = [json.loads(line.removeprefix(b"data: ")) for line in body.splitlines() if line.rstrip().endswith(b"}")]
    holders = [each for document in documents for each in (document, document.get("response"), document.get("message"))]
    found = [each.get(key) for each in holders if isinstance(each, dict) for key in ("usage", "usageMetadata")]
    return [usage for usage in found if usage] or documents[-1:]


@pytest.mark.parametrize("client", CALLS)
def test_last_chunk_with_usage_tells_the_cost_where_that_is_asked_for(
    client: str, http: httpx.Client, standin: StandIn
) -> None:
    standin.answer = stream({"content": "Hi"}, usage=PRICED)

    answer = call(http, client, receipt="chunk")

    assert usages_in(answer.content)[-1]["cost"] == 0.000123
    assert b"x-relay" not in answer.content


def test_chat_that_did_not_ask_for_usage_gets_the_comment_also_where_it_asks_for_a_chunk(
    http: httpx.Client, standin: StandIn
) -> None:
    standin.answer = stream({"content": "Hi"}, usage=PRICED)
    asked = {"model": "priced/m", "messages": HELLO, "stream": True}

    answer = http.post("/v1/chat/completions", json=asked, headers={"x-relay-receipt": "chunk"})

    assert answer.content.endswith(b"data: [DONE]\n\n" + COMMENT)


def test_cost_that_nobody_knows_is_not_told(http: httpx.Client, standin: StandIn) -> None:
    standin.answer = whole()

    answer = call(http, "openai", streamed=False)

    assert "x-relay-cost" not in answer.headers
    assert answer.headers["x-relay-usage"] == TOLD


def test_estimate_is_told_as_one(http: httpx.Client, standin: StandIn) -> None:
    standin.answer = Answer.events(chunk({"role": "assistant", "content": "Hi"}), chunk({}, "stop"))

    answer = call(http, "openai")

    assert answer.content.endswith(b": x-relay-usage input=2, output=1, estimated\n\n")


def test_receipt_of_an_unknown_form_is_refused(http: httpx.Client, standin: StandIn) -> None:
    answer = call(http, "openai", streamed=False, receipt="paper")

    assert answer.status_code == 400
    assert "x-relay-receipt" in answer.json()["error"]["message"]
    assert standin.posts == []


@pytest.mark.parametrize("streamed", [True, False])
def test_parameters_that_the_target_could_not_take_are_recorded(
    relay: Gateway, http: httpx.Client, standin: StandIn, *, streamed: bool
) -> None:
    standin.answer = stream({"content": "Hi"}) if streamed else whole()
    asked = {"model": "priced/m", "messages": HELLO, "max_tokens": 9, "stream": streamed, "top_k": 5}

    answer = http.post("/v1/messages", json=asked)

    assert answer.headers["x-relay-warnings"] == "priced/m cannot take: top_k"
    assert relay.row_of(answer.headers["x-request-id"])["warnings"] == "top_k"
