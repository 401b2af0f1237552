"""What a program sees that was written for OpenAI's SDK and is given the gateway's address."""

import asyncio
from dataclasses import replace
from typing import Any

from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from app.auth.tokens import id_of
from tests.e2e.chat import HELLO, USAGE, chunk, stream, whole, words
from tests.e2e.conftest import MODEL, PROVIDER_KEYS
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, StandIn

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather\u2028at a place",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string", "enum": ["Oslo", "São Paulo", "東京"]}},
            "required": ["place"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


class Sum(BaseModel):
    """What a structured output is read into."""

    steps: list[str]
    result: int


def test_a_whole_reply_has_its_content_finish_reason_and_usage(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = whole("Hi there", reason="length")

    completion = sdk.chat.completions.create(model=MODEL, messages=HELLO)

    assert completion.choices[0].message.content == "Hi there"
    assert completion.choices[0].finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.model_dump(exclude_none=True) == USAGE


def test_a_stream_gives_its_words_as_they_come(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = words("Grüße", " aus ", "東京 ", "👋🏽")

    with sdk.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as chunks:
        contents = [chunk.choices[0].delta.content for chunk in chunks]

    assert contents == ["", "Grüße", " aus ", "東京 ", "👋🏽", None]


def test_a_stream_without_include_usage_has_a_choice_in_each_chunk_and_no_usage(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = words("Hi")

    chunks = list(sdk.chat.completions.create(model=MODEL, messages=HELLO, stream=True))

    assert all(len(chunk.choices) == 1 for chunk in chunks)
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


def test_a_stream_with_include_usage_ends_with_one_chunk_that_has_it(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = words("Hi")

    *before, last = sdk.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )

    assert [chunk.usage for chunk in before] == [None] * 3
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.model_dump(exclude_none=True) == USAGE


def test_a_stream_begins_with_a_role_also_where_the_provider_sends_none(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = Answer.events(chunk({"content": "Hi"}), chunk({"content": " there"}, "stop"))

    chunks = list(sdk.chat.completions.create(model=MODEL, messages=HELLO, stream=True))

    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", None, None]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hi there"


def test_usage_is_estimated_where_the_provider_tells_none(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = stream({"content": "Hi"}, usage=None)

    *_, last = sdk.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )

    assert last.usage is not None
    assert last.usage.prompt_tokens > 0
    assert last.usage.completion_tokens > 0


def test_the_provider_gets_what_was_sent_and_also_what_the_gateway_does_not_know(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = whole()

    sdk.chat.completions.create(
        model=f"openai/{MODEL}",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": 'At \u2028 the \\ "end" 👋'},
        ],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
        temperature=0.7,
        logit_bias={"50256": -100},
        metadata={"model": "not this one"},
        extra_body={"future": {"nested": [1, None, 1e-7, 12345678901234567890]}, "model_options": {"x": "y"}},
    )

    [exchange] = standin.posts
    assert exchange.json == {
        "model": MODEL,
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": 'At \u2028 the \\ "end" 👋'},
        ],
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "temperature": 0.7,
        "logit_bias": {"50256": -100},
        "metadata": {"model": "not this one"},
        "future": {"nested": [1, None, 1e-7, 12345678901234567890]},
        "model_options": {"x": "y"},
    }


def test_the_provider_sees_its_own_key_and_nothing_of_the_client(
    sdk: OpenAI, gateway: Gateway, standin: StandIn
) -> None:
    standin.answer = whole()

    sdk.chat.completions.create(
        model=MODEL, messages=HELLO, extra_headers={"cookie": "session=1", "x-forwarded-for": "192.0.2.1"}
    )

    [exchange] = standin.posts
    assert exchange.headers["authorization"] == f"Bearer {PROVIDER_KEYS['OPENAI_API_KEY']}"
    assert gateway.token not in str(exchange)
    assert not exchange.headers.keys() & {"cookie", "x-forwarded-for", "x-stainless-lang", "forwarded", "via"}


def test_tool_calls_of_a_whole_reply_arrive(sdk: OpenAI, standin: StandIn) -> None:
    calls = [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": "weather", "arguments": f'{{"place":"{place}"}}'},
        }
        for place in ("Oslo", "東京")
    ]
    standin.answer = whole(None, tool_calls=calls, reason="tool_calls")

    completion = sdk.chat.completions.create(model=MODEL, messages=HELLO, tools=[WEATHER])

    assert [call.model_dump() for call in completion.choices[0].message.tool_calls or ()] == calls


def test_parallel_tool_calls_of_a_stream_are_put_together(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = stream(
        _begun(0, "call_a"),
        _argued(0, '{"place'),
        _argued(0, '":"Oslo"}'),
        _begun(1, "call_b"),
        _argued(1, '{"place":"東'),
        _argued(1, '京"}'),
        reason="tool_calls",
    ).in_pieces(1)

    with sdk.chat.completions.stream(model=MODEL, messages=HELLO, tools=[WEATHER]) as events:
        message = events.get_final_completion().choices[0].message

    assert [(call.id, call.function.name, call.function.parsed_arguments) for call in message.tool_calls or ()] == [
        ("call_a", "weather", {"place": "Oslo"}),
        ("call_b", "weather", {"place": "東京"}),
    ]


def test_structured_output_is_parsed_into_the_program_s_own_type(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = whole('{"steps":["add"],"result":4}')

    completion = sdk.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Sum)

    assert completion.choices[0].message.parsed == Sum(steps=["add"], result=4)
    assert standin.posts[0].json["response_format"]["json_schema"]["name"] == "Sum"


def test_a_refusal_arrives(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = whole(None, refusal="I can't help with that.")

    completion = sdk.chat.completions.create(model=MODEL, messages=HELLO)

    assert completion.choices[0].message.refusal == "I can't help with that."


def test_the_models_are_listed_once_each(sdk: OpenAI) -> None:
    models = [model.id for model in sdk.models.list()]

    assert {MODEL, "demo"} <= set(models)
    assert len(models) == len(set(models))


def test_every_listed_model_can_be_retrieved_by_its_name(sdk: OpenAI) -> None:
    listed = list(sdk.models.list())

    assert [sdk.models.retrieve(model.id) for model in listed] == listed


def test_a_restricted_token_lists_what_it_may_use(sdk: OpenAI, gateway: Gateway) -> None:
    restricted = sdk.with_options(api_key=gateway.add_token(models=["openai/gpt-test-s*", "demo"]))

    assert sorted(model.id for model in restricted.models.list()) == ["demo", "gpt-test-small"]


def test_a_reply_tells_its_request_id_and_what_is_left_of_the_day(
    sdk: OpenAI, gateway: Gateway, standin: StandIn
) -> None:
    standin.answer = whole()
    limited = sdk.with_options(api_key=gateway.add_token(rate_limit=5))

    responses = [limited.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO) for _ in range(2)]

    assert [response.headers["x-ratelimit-limit-requests"] for response in responses] == ["5", "5"]
    assert [response.headers["x-ratelimit-remaining-requests"] for response in responses] == ["4", "3"]
    assert all(response.headers["x-ratelimit-reset-requests"].endswith("s") for response in responses)
    assert len({response.parse()._request_id for response in responses} - {None}) == 2


def test_a_stream_tells_its_request_id_and_what_is_left_of_the_day(sdk: OpenAI, standin: StandIn) -> None:
    standin.answer = words("Hi")

    with sdk.chat.completions.with_streaming_response.create(model=MODEL, messages=HELLO, stream=True) as response:
        headers, lines = response.headers, list(response.iter_lines())

    assert headers["x-request-id"].startswith("req_")
    assert headers["x-ratelimit-limit-requests"] == "1000"
    assert headers["content-type"].startswith("text/event-stream")
    told = "input=5, cache_read=16, output=5, reasoning=4"
    assert lines[-4:] == ["data: [DONE]", "", f": x-relay-usage {told}", ""]


def test_a_call_leaves_one_row_with_its_tokens_by_class(sdk: OpenAI, gateway: Gateway, standin: StandIn) -> None:
    standin.answer = whole()

    response = sdk.chat.completions.with_raw_response.create(model=f" OpenAI-{MODEL.upper()}:latest", messages=HELLO)

    row = gateway.row_of(response.headers["x-request-id"])
    expected = {
        "token_id": id_of(gateway.token),
        "username": "first",
        "name": f" OpenAI-{MODEL.upper()}:latest",
        "provider": "openai",
        "model": MODEL,
        "surface": "chat",
        "streamed": False,
        "status": 200,
        "outcome": "ok",
        "input_tokens": 5,
        "cache_read_tokens": 16,
        "cache_write_tokens": 0,
        "output_tokens": 5,
        "reasoning_tokens": 4,
        "cost": None,
        "usage_estimated": False,
        "client": "127.0.0.1",
        "error": None,
    }
    assert {key: row[key] for key in expected} == expected


def test_a_stream_leaves_the_same_row_whether_usage_was_asked_for_or_not(
    sdk: OpenAI, gateway: Gateway, standin: StandIn
) -> None:
    standin.answer = words("Hi")
    ids = []

    for options in ({}, {"stream_options": {"include_usage": True}}):
        response = sdk.chat.completions.with_raw_response.create(
            model=MODEL, messages=HELLO, stream=True, extra_body=options
        )
        list(response.parse())
        ids.append(response.headers["x-request-id"])

    times = ("id", "received_at", "asked_ms", "first_byte_ms", "total_ms")
    one, other = ({key: value for key, value in gateway.row_of(i).items() if key not in times} for i in ids)
    assert one == other
    assert (one["streamed"], one["outcome"], one["output_tokens"]) == (True, "ok", 5)


def test_a_client_that_closes_at_the_end_marker_has_not_left_early(
    sdk: OpenAI, gateway: Gateway, standin: StandIn
) -> None:
    # The SDK closes the connection at [DONE], whether the body's own end has come by then or not.
    standin.answer = words("Hi")
    standin.answer = replace(standin.answer, hold=True)

    responses = []
    for _ in range(5):
        responses.append(sdk.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True))
        list(responses[-1].parse())

    outcomes = [gateway.row_of(response.headers["x-request-id"])["outcome"] for response in responses]
    assert outcomes == ["ok"] * 5


async def test_the_asynchronous_client_reads_a_whole_reply(async_sdk: AsyncOpenAI, standin: StandIn) -> None:
    standin.answer = whole("Hi there")

    completion = await async_sdk.chat.completions.create(model=MODEL, messages=HELLO)

    assert completion.choices[0].message.content == "Hi there"


async def test_the_asynchronous_client_reads_a_stream(async_sdk: AsyncOpenAI, standin: StandIn) -> None:
    standin.answer = words("Hi", " there").in_pieces(1)

    async with await async_sdk.chat.completions.create(
        model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as chunks:
        collected = [chunk async for chunk in chunks]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in collected if chunk.choices) == "Hi there"
    assert collected[-1].usage is not None


async def test_many_streams_at_once_keep_apart(async_sdk: AsyncOpenAI, standin: StandIn) -> None:
    standin.answer = words(*(f"{number} " for number in range(50))).in_pieces(7)

    async def read() -> tuple[str, str]:
        response = await async_sdk.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, stream=True)
        chunks = [chunk async for chunk in response.parse()]
        return response.headers["x-request-id"], "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    replies = await asyncio.gather(*(read() for _ in range(20)))

    assert {text for _, text in replies} == {"".join(f"{number} " for number in range(50))}
    assert len({request_id for request_id, _ in replies}) == 20


async def test_the_asynchronous_client_lists_the_models(async_sdk: AsyncOpenAI) -> None:
    assert MODEL in [model.id async for model in async_sdk.models.list()]


def _begun(index: int, call_id: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": ""}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


def _argued(index: int, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
