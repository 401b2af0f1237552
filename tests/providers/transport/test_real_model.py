"""A real model's server: llama.cpp's."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.real_model import missing, running_model

pytestmark = [
    pytest.mark.asyncio(loop_factories=["uvloop"]),
    pytest.mark.xdist_group("real_model"),
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with running_model() as url:
        yield url


def _chat(url: str, **more: Any) -> httpx.Request:
    messages = [{"role": "user", "content": "Say hello."}]
    body = {"model": "any", "messages": messages, "max_tokens": 6, "temperature": 0, **more}
    limits = {"connect": 5.0, "write": 5.0, "first_byte": 60.0, "read": 60.0}
    return httpx.Request("POST", f"{url}/v1/chat/completions", json=body, extensions={"timeout": limits})


async def test_whole_completion_is_read(transport: httpx.AsyncBaseTransport, model_url: str) -> None:
    response = await transport.handle_async_request(_chat(model_url))
    answer = json.loads(await response.aread())

    assert response.status_code == 200
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] == 6


async def test_streamed_completion_is_read_as_it_comes(transport: httpx.AsyncBaseTransport, model_url: str) -> None:
    response = await transport.handle_async_request(_chat(model_url, stream=True))
    pieces = [piece async for piece in response.aiter_raw()]

    events = b"".join(pieces).decode().split("\n\n")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert events[-2:] == ["data: [DONE]", ""]
    assert len([event for event in events if '"delta":{"content":' in event.replace(" ", "")]) >= 5
    assert len(pieces) > 3
