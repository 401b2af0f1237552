"""Perplexity's streams, which repeat themselves."""

import json
from typing import Any

import httpx
import pytest

from app.config import ProviderConfig
from app.core.call import Target
from app.providers.perplexity import Perplexity, PerplexityMender
from tests.calls import make_call
from tests.dialects.openai.folding import chunks_of, fold
from tests.recordings import Recording, recorded


async def relayed(body: bytes, media_type: str, **payload: Any) -> bytes:
    transport = httpx.MockTransport(
        lambda _request: httpx.Response(200, content=body, headers={"content-type": media_type})
    )
    provider = Perplexity("perplexity", ProviderConfig(base_url="https://p.test"), "pplx-key", transport)
    reply = await provider.send(make_call(payload), Target("perplexity", "sonar"))
    return reply.first + b"".join([piece async for piece in reply.rest])


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


@pytest.mark.parametrize("recording", recorded("chat.citations", "perplexity"))
async def test_whole_reply_is_as_it_came(recording: Recording) -> None:
    assert await relayed(recording.body, "application/json") == recording.body


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
