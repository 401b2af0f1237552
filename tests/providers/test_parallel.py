"""Parallel AI's chat, in the shapes of its documentation: id, object, model, finish reason and usage come back empty."""

import json
from typing import Any

import httpx
import pytest

from app.config import ProviderConfig
from app.core.call import Target
from app.core.errors import UpstreamError
from app.core.reply import Reply
from app.providers.parallel import Parallel
from tests.calls import make_call
from tests.dialects.openai.folding import chunks_of, data_of, fold

EMPTY = {"id": "", "object": "", "model": "", "created": 0}
BASIS = {
    "basis": [
        {
            "field": "content",
            "reasoning": "Both pages say so.",
            "confidence": "high",
            "citations": [
                {"url": "https://a.test", "title": "A", "excerpts": ["one", "two"]},
                {"url": "https://b.test", "title": None, "excerpts": None},
            ],
        },
        {"field": "other", "citations": [{"url": "https://a.test", "title": "A"}], "reasoning": ""},
    ]
}
ANNOTATIONS = [
    {
        "type": "url_citation",
        "url_citation": {
            "url": "https://a.test",
            "title": "A",
            "start_index": 0,
            "end_index": 0,
            "content": "one\ntwo",
        },
    },
    {
        "type": "url_citation",
        "url_citation": {"url": "https://b.test", "title": "", "start_index": 0, "end_index": 0},
    },
]
ASKED = {"messages": [{"role": "user", "content": "12345678"}]}


async def send(response: httpx.Response, **payload: Any) -> Reply:
    transport = httpx.MockTransport(lambda _request: response)
    provider = Parallel("parallelai", ProviderConfig(base_url="https://api.parallel.test"), "key", transport)
    return await provider.send(make_call(ASKED | payload), Target("parallelai", "base"))


async def streamed(*chunks: dict[str, Any], done: bool = True, **payload: Any) -> tuple[Reply, bytes]:
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
    body = events + (b"data: [DONE]\n\n" if done else b"")
    response = httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    reply = await send(response, stream=True, **payload)
    return reply, reply.first + b"".join([piece async for piece in reply.rest])


def whole(**fields: Any) -> httpx.Response:
    choice = {"message": {"role": "assistant", "content": "x" * 40}, "finish_reason": ""}
    return httpx.Response(200, json={**EMPTY, "choices": [choice], **BASIS, **fields})


def delta(content: str, **fields: Any) -> dict[str, Any]:
    return {**EMPTY, "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": ""}], **fields}


NO_USAGE: list[dict[str, Any]] = [
    {},
    {"usage": None},
    {"usage": {}},
    {"usage": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}},
    {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}},
]


async def test_whole_reply_has_all_that_openais_clients_need() -> None:
    reply = json.loads((await send(whole())).first)

    assert reply["id"] == "chatcmpl-req_0123456789"
    assert (reply["object"], reply["model"]) == ("chat.completion", "base")
    assert reply["created"] > 0
    assert (reply["choices"][0]["index"], reply["choices"][0]["finish_reason"]) == (0, "stop")


async def test_basis_stays() -> None:
    assert json.loads((await send(whole())).first)["basis"] == BASIS["basis"]


async def test_sources_in_the_basis_are_annotations_too() -> None:
    reply = json.loads((await send(whole())).first)

    assert reply["choices"][0]["message"]["annotations"] == ANNOTATIONS


@pytest.mark.parametrize("basis", [[], None, "x", [{"citations": "x"}], [{"citations": [{"url": 7}, "x"]}, 4]])
async def test_answer_without_sources_has_no_annotations(basis: Any) -> None:
    reply = json.loads((await send(whole(basis=basis))).first)

    assert "annotations" not in reply["choices"][0]["message"]
    assert reply["basis"] == basis


@pytest.mark.parametrize("usage", NO_USAGE)
async def test_usage_that_is_empty_is_estimated_for_the_client_and_for_us(usage: dict[str, Any]) -> None:
    reply = await send(whole(**usage))

    assert json.loads(reply.first)["usage"] == {"prompt_tokens": 2, "completion_tokens": 10, "total_tokens": 12}
    assert (reply.read_usage().total, reply.read_usage().estimated) == (12, True)


async def test_usage_that_is_reported_stays() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}

    reply = await send(whole(usage=usage))

    assert json.loads(reply.first)["usage"] == usage
    assert (reply.read_usage().total, reply.read_usage().estimated) == (7, False)


async def test_what_is_filled_stays() -> None:
    reply = json.loads((await send(whole(id="p-1", object="chat.completion", model="base-2", created=9))).first)

    assert (reply["id"], reply["model"], reply["created"]) == ("p-1", "base-2", 9)


@pytest.mark.parametrize("done", [True, False])
async def test_stream_has_all_that_openais_clients_need(*, done: bool) -> None:
    _, out = await streamed(delta("Hel"), delta("lo", **BASIS), done=done)

    chunks = chunks_of(out)
    assert fold(chunks).texts == {(0, "content"): "Hello"}
    assert fold(chunks).reasons == {0: "stop"}
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in chunks} == {
        ("chatcmpl-req_0123456789", "chat.completion.chunk", "base")
    }
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [chunk["basis"] for chunk in chunks if "basis" in chunk] == [BASIS["basis"]]
    assert data_of(out)[-1] == b"[DONE]"


LAST = {**EMPTY, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
LATE = {**EMPTY, "choices": [], **BASIS}


@pytest.mark.parametrize(
    "chunks",
    [
        [delta("Hi", **BASIS)],
        [delta("Hi", **BASIS), LAST],
        [delta("Hi"), LAST | BASIS],
        [delta("Hi"), LAST, LATE],
        [delta("Hi", **BASIS), LAST | BASIS, LATE],
    ],
    ids=["no end", "before", "at the end", "after", "again and again"],
)
async def test_sources_in_the_basis_of_a_stream_are_annotated_once(chunks: list[dict[str, Any]]) -> None:
    _, out = await streamed(*chunks)

    choices = [choice for chunk in chunks_of(out) for choice in chunk["choices"]]
    told = [each for choice in choices for each in choice["delta"].get("annotations", ())]
    assert told == [annotation | {"index": number} for number, annotation in enumerate(ANNOTATIONS)]
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]


async def test_finish_reason_that_came_is_not_said_again() -> None:
    last = {**EMPTY, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}

    _, out = await streamed(delta("Hi"), last)

    assert [choice["finish_reason"] for chunk in chunks_of(out) for choice in chunk["choices"]][-1] == "length"
    assert b'"stop"' not in out


@pytest.mark.parametrize("usage", NO_USAGE)
async def test_stream_ends_with_estimated_usage_where_it_was_asked_for(usage: dict[str, Any]) -> None:
    options = {"include_usage": True}

    reply, out = await streamed(delta("Hi", **usage), delta("!", **usage), stream_options=options)

    assert chunks_of(out)[-1]["usage"]["prompt_tokens"] == 2
    assert chunks_of(out)[-1]["usage"]["completion_tokens"] > 0
    assert reply.read_usage().estimated


async def test_error_in_its_own_shape_is_read() -> None:
    with pytest.raises(UpstreamError, match="Invalid key"):
        await send(httpx.Response(401, json={"type": "error", "error": {"message": "Invalid key", "ref_id": "r"}}))
