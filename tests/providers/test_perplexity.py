"""Perplexity's streams, which repeat themselves."""

import json
from typing import Any, Literal

import httpx
import pytest

from app.config import ProviderConfig
from app.core.call import Target
from app.providers.perplexity import Perplexity, PerplexityMender
from tests.calls import make_call
from tests.dialects.openai.folding import chunks_of, fold
from tests.recordings import Recording, recorded


async def relayed(
    body: bytes, media_type: str, api_format: Literal["openai", "responses"] = "openai", **payload: Any
) -> bytes:
    transport = httpx.MockTransport(
        lambda _request: httpx.Response(200, content=body, headers={"content-type": media_type})
    )
    provider = Perplexity(
        "perplexity", ProviderConfig(base_url="https://p.test", api_format=(api_format,)), "pplx-key", transport
    )
    reply = await provider.send(make_call(payload), Target("perplexity", "sonar"))
    return reply.first + b"".join([piece async for piece in reply.rest])


def annotations_of(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """What OpenAI would have said of the sources that `reply` lists."""
    results = {result["url"]: result for result in reply.get("search_results", ())}
    cited = [
        {"url": url, "title": results.get(url, {}).get("title", ""), "start_index": 0, "end_index": 0}
        | ({"content": results[url]["snippet"]} if results.get(url, {}).get("snippet") else {})
        for url in dict.fromkeys(reply["citations"])
    ]
    return [{"type": "url_citation", "url_citation": citation} for citation in cited]


@pytest.mark.parametrize("recording", recorded("chat.citations-stream*", "perplexity"))
async def test_recorded_stream_says_everything_once(recording: Recording) -> None:
    out = chunks_of(await relayed(recording.body, "text/event-stream", stream=True))

    assert fold(out).texts == fold(chunks_of(recording.body)).texts
    assert not [choice for chunk in out for choice in chunk["choices"] if "message" in choice]


@pytest.mark.parametrize("recording", recorded("chat.citations-stream*", "perplexity"))
async def test_citations_of_a_stream_stay(recording: Recording) -> None:
    out = chunks_of(await relayed(recording.body, "text/event-stream", stream=True))

    wanted = [chunk.get("citations") for chunk in chunks_of(recording.body)]
    assert [chunk.get("citations") for chunk in out if "citations" in chunk] == [each for each in wanted if each]


@pytest.mark.parametrize("recording", recorded("chat.citations-stream*", "perplexity"))
async def test_usage_that_each_chunk_repeats_comes_once(recording: Recording) -> None:
    body = recording.body

    out = chunks_of(await relayed(body, "text/event-stream", stream=True, stream_options={"include_usage": True}))

    assert [chunk["usage"] for chunk in out if "usage" in chunk] == [chunks_of(body)[-1]["usage"]]


@pytest.mark.parametrize("recording", recorded("chat.citations-stream*", "perplexity"))
async def test_sources_of_a_stream_are_annotated_once_with_the_end_of_the_answer(recording: Recording) -> None:
    out = chunks_of(await relayed(recording.body, "text/event-stream", stream=True))

    annotated = [choice for chunk in out for choice in chunk["choices"] if "annotations" in choice["delta"]]
    assert [choice["finish_reason"] for choice in annotated] == ["stop"]
    wanted = annotations_of(chunks_of(recording.body)[-1])
    assert annotated[0]["delta"]["annotations"] == [each | {"index": at} for at, each in enumerate(wanted)]


@pytest.mark.parametrize(
    "recording", [*recorded("chat.citations", "perplexity"), *recorded("chat.citations-[0-9]", "perplexity")]
)
async def test_whole_reply_is_as_it_came_with_its_sources_as_annotations(recording: Recording) -> None:
    out = json.loads(await relayed(recording.body, "application/json"))

    annotations = out["choices"][0]["message"].pop("annotations")
    reply = json.loads(recording.body)
    assert out == reply
    assert annotations == annotations_of(reply)


async def test_whole_reply_without_sources_is_as_it_came() -> None:
    body = b'{"choices": [ {"index":0,"message":{"content":"4"},"finish_reason":"stop"} ], "citations":[]}'

    assert await relayed(body, "application/json") == body


async def test_sources_that_come_after_the_end_of_the_answer_are_annotated_too() -> None:
    end = {
        "choices": [{"index": 0, "delta": {"content": "4"}, "finish_reason": "stop"}],
        "citations": ["https://a.test"],
    }
    late = {"choices": [], "search_results": [{"url": "https://a.test"}, {"url": "https://b.test", "title": "B"}]}
    body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in (end, late)) + b"data: [DONE]\n\n"

    out = chunks_of(await relayed(body, "text/event-stream", stream=True))

    deltas = [choice["delta"] for chunk in out for choice in chunk["choices"]]
    told = [(each["url_citation"]["url"], each["index"]) for delta in deltas for each in delta.get("annotations", ())]
    assert told == [("https://a.test", 0), ("https://b.test", 1)]


@pytest.mark.parametrize("recording", recorded("responses.text", "openai"))
async def test_answers_of_another_api_are_not_mended(recording: Recording) -> None:
    reply = json.loads(await relayed(recording.body, "application/json", "responses"))

    assert reply["choices"][0]["message"]["content"]


@pytest.mark.parametrize("chunk", [{"object": "chat.reasoning"}, {"choices": None}, {"choices": "x"}, {}])
def test_chunk_without_choices_is_left_alone(chunk: dict[str, Any]) -> None:
    assert PerplexityMender().mend_chunk(chunk) is chunk


def test_message_stays_where_there_is_no_delta() -> None:
    chunk = {"choices": [{"index": 0, "message": {"content": "all"}}, "odd"]}

    mended = PerplexityMender().mend_chunk(chunk)

    assert mended["choices"] == chunk["choices"]


def test_chunk_is_not_changed_in_place() -> None:
    chunk = {"object": "x", "choices": [{"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}}]}
    before = json.dumps(chunk)

    PerplexityMender().mend_chunk(chunk)

    assert json.dumps(chunk) == before
