"""A real model, in llama.cpp's own server, behind the gateway: an entry of the configuration that is only an address."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from openai import APITimeoutError, DefaultHttpxClient, OpenAI
from openai.types import CompletionUsage

from tests.e2e.gateway import Gateway, Row, running_gateway
from tests.real_model import MODEL, missing, running_model

pytestmark = [
    pytest.mark.xdist_group("real_model"),
    pytest.mark.skipif(missing() is not None, reason=f"no real model: {missing()}"),
]

STORY: Any = [{"role": "user", "content": "Write a long story about a ship and its three sailors."}]
WITH_USAGE: Any = {"include_usage": True}


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with running_model() as url:
        yield url


@pytest.fixture(scope="module")
def relay(model_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("real"), {"local": {"base_url": f"{model_url}/v1"}}) as running:
        yield running


@pytest.fixture(scope="module")
def client(relay: Gateway) -> Iterator[OpenAI]:
    http = DefaultHttpxClient(trust_env=False)
    with OpenAI(base_url=f"{relay.base_url}/v1", api_key=relay.token, max_retries=0, http_client=http) as sdk:
        yield sdk


def test_the_server_is_asked_for_its_models(client: OpenAI) -> None:
    model = client.models.retrieve(f"local/{MODEL}".lower())

    assert model.owned_by == "local"
    assert MODEL in [listed.id for listed in client.models.list()]


def test_a_whole_reply_stops_where_max_tokens_says(client: OpenAI, relay: Gateway) -> None:
    response = client.chat.completions.with_raw_response.create(model=MODEL, messages=STORY, max_tokens=12)

    completion = response.parse()
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 12
    assert_counted(relay.row_of(response.headers["x-request-id"]), completion.usage)


def test_a_reply_stops_at_a_stop_word(client: OpenAI) -> None:
    completion = client.chat.completions.create(model=MODEL, messages=STORY, max_tokens=200, temperature=0, stop=[" "])

    assert completion.choices[0].finish_reason == "stop"
    assert " " not in (completion.choices[0].message.content or "")


def test_a_stream_comes_word_by_word_with_the_real_usage_at_its_end(client: OpenAI, relay: Gateway) -> None:
    response = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=STORY, max_tokens=40, stream=True, stream_options=WITH_USAGE
    )

    *chunks, last = response.parse()
    assert len([chunk for chunk in chunks if chunk.choices[0].delta.content]) > 20
    assert chunks[-1].choices[0].finish_reason == "length"
    assert last.usage is not None
    assert last.usage.completion_tokens == 40
    assert_counted(relay.row_of(response.headers["x-request-id"]), last.usage)


def test_a_stream_without_include_usage_is_counted_all_the_same(client: OpenAI, relay: Gateway) -> None:
    response = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=STORY, max_tokens=7, stream=True, temperature=0
    )

    assert all(chunk.usage is None for chunk in response.parse())
    row = relay.row_of(response.headers["x-request-id"])
    assert (row["output_tokens"], row["usage_estimated"]) == (7, False)


def test_a_client_that_leaves_stops_the_model_at_once(client: OpenAI, relay: Gateway, model_url: str) -> None:
    response = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=STORY, max_tokens=900, stream=True, extra_body={"ignore_eos": True}
    )
    with response.parse() as chunks:
        next(chunks)
        started_at = time.monotonic()
        for _ in range(10):
            next(chunks)
        assert is_busy(model_url)

    left_at = time.monotonic()
    while is_busy(model_url):
        time.sleep(0.01)

    stopped_within_s, ten_tokens_s = time.monotonic() - left_at, left_at - started_at
    row = relay.row_of(response.headers["x-request-id"])
    assert stopped_within_s < 45 * ten_tokens_s  # the whole story is 90 times as long as ten tokens
    assert (row["outcome"], row["status"]) == ("client_gone", 200)
    assert 5 < row["output_tokens"] < 400


def test_a_client_that_leaves_before_the_first_byte_is_told_apart(client: OpenAI, relay: Gateway) -> None:
    before = {row["id"] for row in relay.rows()}
    hasty = client.with_options(timeout=0.1)

    # llama.cpp's server goes on with a whole reply that nobody waits for, so it is a short one.
    with pytest.raises(APITimeoutError):
        hasty.chat.completions.create(model=MODEL, messages=STORY, max_tokens=40, extra_body={"ignore_eos": True})

    [row] = [row for row in relay.wait_for_rows(len(before) + 1) if row["id"] not in before]
    assert (row["outcome"], row["status"], row["first_byte_ms"]) == ("client_gone", 499, None)


def test_two_streams_at_once_are_both_whole(client: OpenAI, relay: Gateway) -> None:
    def read(subject: str) -> tuple[str, CompletionUsage]:
        response = client.chat.completions.with_raw_response.create(
            model=MODEL,
            messages=[{"role": "user", "content": f"Tell me about {subject}."}],
            max_tokens=30,
            stream=True,
            stream_options=WITH_USAGE,
            extra_body={"ignore_eos": True},
        )
        *_, last = response.parse()
        assert last.usage is not None
        return response.headers["x-request-id"], last.usage

    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(read, ["rivers and mountains", "bread"]))

    for request_id, usage in replies:
        assert usage.completion_tokens == 30
        assert_counted(relay.row_of(request_id), usage)


def assert_counted(row: Row, usage: CompletionUsage) -> None:
    """The row has what the model's server counted."""
    cached = (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0
    expected = {
        "provider": "local",
        "model": MODEL,
        "outcome": "ok",
        "input_tokens": usage.prompt_tokens - cached,
        "cache_read_tokens": cached,
        "output_tokens": usage.completion_tokens,
        "usage_estimated": False,
    }
    assert {key: row[key] for key in expected} == expected


def is_busy(model_url: str) -> bool:
    """Whether llama.cpp's server is at work on any reply."""
    slots = httpx.get(f"{model_url}/slots", trust_env=False, timeout=10).json()
    return any(slot["is_processing"] for slot in slots)
