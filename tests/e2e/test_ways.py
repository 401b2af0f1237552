"""What single providers do their own way, before the real gateway: what they are asked, and what clients read and records tell."""

from collections.abc import Iterator
from typing import Any

import anthropic
import ollama
import pytest
from openai import APIStatusError, OpenAI

from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.readers import MESSAGES, url_of
from tests.e2e.standin import EVENT_STREAM, JSON, Answer, StandIn, running_standin
from tests.recordings import Recording, recorded

SEARCH: list[Any] = [{"type": "web_search"}, {"type": "x_search"}]
FUNCTION: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    both = {"base_url": f"{provider.base_url}/v1", "api_format": ["openai", "responses"], "supported_models": ["m"]}
    config: dict[str, Any] = {
        "xai": both,
        "searching": {**both, "payload_extra_parameters": {"tools": SEARCH}},
        "perplexity-eu": {
            "base_url": provider.base_url,
            "quirks": "perplexity",
            "supported_models": ["m"],
            "payload_extra_parameters": {"search_recency_filter": "week"},
        },
        "openrouter": {
            "base_url": f"{provider.base_url}/api/v1",
            "supported_models": ["m"],
            "payload_extra_parameters": {"usage": {"include": True}},
            "payload_default_parameters": {"provider": {"data_collection": "deny"}},
        },
        "parallel": {
            "base_url": provider.base_url,
            "path": "/v1beta/chat/completions",
            "quirks": "parallel",
            "supported_models": ["m"],
        },
        "mistral": {
            "base_url": f"{provider.base_url}/v1",
            "supported_models": ["m"],
        },
    }
    config = {key: entry | ONE_ATTEMPT for key, entry in config.items()}
    with running_gateway(tmp_path_factory.mktemp("ways"), config) as running:
        yield running


@pytest.fixture(scope="module")
def chat(relay: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{relay.base_url}/v1", api_key=relay.token, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def without_proxy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("NO_PROXY", "127.0.0.1")
        yield


def answer_of(recording: Recording) -> Answer:
    return Answer(200, EVENT_STREAM if recording.streamed else JSON, (recording.body,), chunked=recording.streamed)


# xAI.


@pytest.mark.parametrize("recording", recorded("responses.web-search", "xai"))
def test_chat_with_search_of_the_configuration_goes_by_the_responses_api(
    recording: Recording, chat: OpenAI, standin: StandIn, relay: Gateway
) -> None:
    standin.answer = answer_of(recording)

    response = chat.chat.completions.with_raw_response.create(
        model="searching/m", messages=MESSAGES, tools=[FUNCTION], max_tokens=50
    )

    (asked,) = standin.posts
    assert asked.path == "/v1/responses"
    assert [tool["type"] for tool in asked.json["tools"]] == ["function", "web_search", "x_search"]
    assert asked.json["max_output_tokens"] == 50
    message = response.parse().choices[0].message
    assert message.content
    assert [url_of(each) for each in message.annotations or ()] == ["https://www.ruby-lang.org/en/downloads/"]
    row = relay.row_of(response.headers["x-request-id"])
    assert (row["provider"], row["outcome"], row["cost"]) == ("searching", "ok", 161508500 * 100)


@pytest.mark.parametrize("recording", recorded("responses.web-search-stream", "openai"))
def test_streamed_chat_with_search_tells_its_sources_once(recording: Recording, chat: OpenAI, standin: StandIn) -> None:
    standin.answer = answer_of(recording)

    chunks = list(chat.chat.completions.create(model="searching/m", messages=MESSAGES, stream=True))

    assert standin.posts[0].path == "/v1/responses"
    told = [choice.delta.model_dump().get("annotations") for chunk in chunks for choice in chunk.choices]
    (annotations,) = [each for each in told if each]
    assert all(url_of(each).startswith("https://") for each in annotations)


@pytest.mark.parametrize("recording", recorded("responses.web-search", "xai"))
def test_search_that_the_client_asks_for_goes_there_too(recording: Recording, chat: OpenAI, standin: StandIn) -> None:
    standin.answer = answer_of(recording)

    chat.chat.completions.create(model="xai/m", messages=MESSAGES, extra_body={"tools": [*SEARCH, FUNCTION]})

    (asked,) = standin.posts
    assert asked.path == "/v1/responses"
    assert [tool["type"] for tool in asked.json["tools"]] == ["web_search", "x_search", "function"]


@pytest.mark.parametrize("recording", recorded("responses.web-search", "xai"))
@pytest.mark.parametrize(
    ("model", "tools"),
    [("searching/m", []), ("xai/m", [{"type": "web_search_20250305", "name": "web_search"}])],
    ids=["of the configuration", "of the client"],
)
def test_client_of_another_api_gets_search_by_the_responses_api(
    recording: Recording, model: str, tools: list[Any], relay: Gateway, standin: StandIn
) -> None:
    standin.answer = answer_of(recording)

    with anthropic.Anthropic(base_url=relay.base_url, api_key=relay.token, max_retries=0) as client:
        message = client.messages.create(model=model, max_tokens=99, messages=MESSAGES, tools=tools)

    (asked,) = standin.posts
    assert asked.path == "/v1/responses"
    assert asked.json["tools"][0]["type"] == "web_search"
    cited = [citation for block in message.content if block.type == "text" for citation in block.citations or ()]
    assert [getattr(citation, "url", None) for citation in cited] == ["https://www.ruby-lang.org/en/downloads/"]


@pytest.mark.parametrize("tools", [[], [FUNCTION]], ids=["none", "a function"])
def test_chat_without_search_stays_chat(tools: list[Any], chat: OpenAI, standin: StandIn) -> None:
    standin.answer = Answer.json(COMPLETION)

    chat.chat.completions.create(model="xai/m", messages=MESSAGES, extra_body={"tools": tools})

    assert standin.posts[0].path == "/v1/chat/completions"


def test_functions_of_another_api_stay_chat(relay: Gateway, standin: StandIn) -> None:
    standin.answer = Answer.json(COMPLETION)

    with anthropic.Anthropic(base_url=relay.base_url, api_key=relay.token, max_retries=0) as client:
        client.messages.create(
            model="xai/m",
            max_tokens=99,
            messages=MESSAGES,
            tools=[{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
        )

    assert standin.posts[0].path == "/v1/chat/completions"


# Perplexity.


@pytest.mark.parametrize("recording", recorded("chat.citations", "perplexity"))
def test_perplexitys_search_is_steered_by_client_and_configuration(
    recording: Recording, chat: OpenAI, standin: StandIn, relay: Gateway
) -> None:
    standin.answer = answer_of(recording)
    options: Any = {"search_context_size": "high", "user_location": {"country": "CH"}}

    response = chat.chat.completions.with_raw_response.create(
        model="perplexity-eu/m",
        messages=MESSAGES,
        web_search_options=options,
        extra_body={"search_recency_filter": "day", "search_domain_filter": ["ruby-lang.org"]},
    )

    (asked,) = standin.posts
    assert asked.path == "/chat/completions"
    assert asked.json["web_search_options"] == options
    assert asked.json["search_domain_filter"] == ["ruby-lang.org"]
    assert asked.json["search_recency_filter"] == "week"  # the configuration's word is the last
    said, reply = recording.document["response"]["body"], response.parse().model_dump()
    assert (reply["citations"], reply["search_results"]) == (said["citations"], said["search_results"])
    assert [url_of(each) for each in reply["choices"][0]["message"]["annotations"]] == said["citations"]
    assert relay.row_of(response.headers["x-request-id"])["cost"] == 5_190_000_000


# OpenRouter.


@pytest.mark.parametrize(
    ("given", "wanted"),
    [({}, {"data_collection": "deny"}), ({"provider": {"order": ["azure"]}}, {"order": ["azure"]})],
    ids=["of the configuration", "of the client"],
)
def test_openrouter_is_told_which_providers_are_preferred(
    given: dict[str, Any], wanted: dict[str, Any], chat: OpenAI, standin: StandIn
) -> None:
    standin.answer = Answer.json(COMPLETION)

    chat.chat.completions.create(model="openrouter/m", messages=MESSAGES, extra_body=given)

    assert standin.posts[0].json["provider"] == wanted
    assert standin.posts[0].json["usage"] == {"include": True}


def test_error_after_openrouters_comments_still_has_a_status(chat: OpenAI, standin: StandIn) -> None:
    waiting = b": OPENROUTER PROCESSING\n\n"
    error = b'data: {"error":{"code":503,"message":"No provider has room."}}\n\n'
    standin.answer = Answer(200, EVENT_STREAM, (waiting, waiting, error), chunked=True, pause_s=0.05)

    with pytest.raises(APIStatusError, match="No provider has room") as caught:
        chat.chat.completions.create(model="openrouter/m", messages=MESSAGES, stream=True)

    assert caught.value.status_code == 503


def test_openrouters_comments_disturb_no_client_and_its_cost_is_recorded(
    chat: OpenAI, standin: StandIn, relay: Gateway
) -> None:
    waiting = b": OPENROUTER PROCESSING\n\n"
    chunk = b'data: {"id":"g","object":"chat.completion.chunk","created":1,"model":"m","choices":[%s]%s}\n\n'
    said = [
        chunk % (b'{"index":0,"delta":{"role":"assistant","content":"Hi"}}', b""),
        waiting,
        chunk % (b'{"index":0,"delta":{"content":"!"},"finish_reason":"stop"}', b""),
        chunk % (b"", b',"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"cost":0.00025}'),
        b"data: [DONE]\n\n",
    ]
    standin.answer = Answer(200, EVENT_STREAM, (waiting, waiting, *said), chunked=True)

    response = chat.chat.completions.with_raw_response.create(model="openrouter/m", messages=MESSAGES, stream=True)
    chunks = list(response.parse())

    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == "Hi!"
    row = relay.row_of(response.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], row["cost"]) == (3, 2, 250_000_000)


# Mistral.


def test_mistrals_usage_is_told_though_it_must_not_be_asked_for(chat: OpenAI, standin: StandIn, relay: Gateway) -> None:
    chunk: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    first = {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]}
    last = {**chunk, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}
    standin.answer = Answer.events(first, last | {"usage": COMPLETION["usage"]})

    response = chat.chat.completions.with_raw_response.create(
        model="mistral/m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    usages = [chunk.usage for chunk in response.parse() if chunk.usage]

    assert "stream_options" not in standin.posts[0].json
    assert [usage.total_tokens for usage in usages] == [4]
    assert "x-relay-warnings" not in response.headers
    row = relay.row_of(response.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], bool(row["usage_estimated"])) == (3, 1, False)


# Ollama.


def test_several_ollamas_are_each_asked_for_their_models_and_their_answers(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    done = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": True, "done_reason": "stop"}
    counts = {"prompt_eval_count": 3, "eval_count": 1}
    with running_standin() as one, running_standin() as other:
        for here, models in ((one, ["llama3:latest", "shared"]), (other, ["qwen3:8b", "shared"])):
            here.models = Answer.json({"models": [{"name": name, "model": name} for name in models]})
            said = {"message": {"role": "assistant", "content": models[0]}}
            here.answer = Answer.json({**done, **counts, **said})
        config = {
            "ollama": {"base_url": one.base_url, "api_format": "ollama"},
            "ollama-gpu": {"base_url": f"{other.base_url}/api", "api_format": "ollama"},
        }
        with (
            running_gateway(tmp_path_factory.mktemp("ollamas"), config) as relay,
            OpenAI(base_url=f"{relay.base_url}/v1", api_key=relay.token, max_retries=0) as client,
        ):
            said_by = {
                name: client.chat.completions.create(model=name, messages=MESSAGES).choices[0].message.content
                for name in ("llama3", "qwen3:8b", "shared", "ollama-gpu/shared")
            }
            listed = {model.id for model in client.models.list()}
            one.answer = Answer.json(
                {"capabilities": ["completion", "vision"], "model_info": {"gemma.context_length": 7}}
            )
            with ollama.Client(relay.base_url, headers={"Authorization": f"Bearer {relay.token}"}) as native:
                described = native.show("llama3")

        assert (described.capabilities, described.modelinfo) == (["completion", "vision"], {"gemma.context_length": 7})
        assert said_by == {
            "llama3": "llama3:latest",
            "qwen3:8b": "qwen3:8b",
            "shared": "llama3:latest",
            "ollama-gpu/shared": "qwen3:8b",
        }
        assert listed == {"llama3:latest", "qwen3:8b", "shared", "ollama-gpu/shared", "demo"}
        asked = [exchange for here in (one, other) for exchange in here.exchanges]
        assert {(exchange.method, exchange.path) for exchange in asked} == {
            ("GET", "/api/tags"),
            ("POST", "/api/chat"),
            ("POST", "/api/show"),
        }
        assert [exchange.json["model"] for exchange in one.posts if exchange.path == "/api/show"] == ["llama3:latest"]
        assert not [exchange for exchange in asked if "authorization" in exchange.headers]


# Parallel.


def test_parallel_is_asked_at_its_path_and_its_answer_is_filled(chat: OpenAI, standin: StandIn, relay: Gateway) -> None:
    basis = [{"field": "content", "reasoning": "", "citations": [{"url": "https://a.test", "excerpts": ["x"]}]}]
    choice = {"message": {"role": "assistant", "content": "x" * 40}, "finish_reason": ""}
    standin.answer = Answer.json({"id": "", "object": "", "model": "", "choices": [choice], "basis": basis})

    response = chat.chat.completions.with_raw_response.create(model="parallel/m", messages=MESSAGES)

    assert standin.posts[0].path == "/v1beta/chat/completions"
    reply = response.parse()
    assert reply.model_dump()["basis"] == basis
    assert [url_of(each) for each in reply.choices[0].message.annotations or ()] == ["https://a.test"]
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 10
    row = relay.row_of(response.headers["x-request-id"])
    assert (row["output_tokens"], bool(row["usage_estimated"])) == (10, True)
