"""Lists of models as real providers gave them."""

import httpx
import pytest

from app.config import ProviderConfig
from app.providers.base import HttpProvider
from tests.recordings import Recording, recorded

LISTS = [
    pytest.param("openai", "https://api.perplexity.ai/v1", each.values[0], id=str(each.id), marks=each.marks)
    for each in recorded("models.*", "perplexity")
] + [
    pytest.param("ollama", "http://127.0.0.1:11434", each.values[0], id=str(each.id), marks=each.marks)
    for each in recorded("native-tags.*", "ollama")
]


@pytest.mark.parametrize(("api_format", "base_url", "recording"), LISTS)
async def test_recorded_list_is_read(api_format: str, base_url: str, recording: Recording) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, content=recording.body)

    entry = ProviderConfig.model_validate({"base_url": base_url, "api_format": api_format}, strict=False)
    models = await HttpProvider("one", entry, None, httpx.MockTransport(answer)).list_models()

    body = recording.document["response"]["body"]
    assert models
    assert [each.model for each in models] == [
        entry.get("id") or entry["name"] for entry in body.get("data") or body["models"]
    ]
    assert asked == [recording.document["request"]["path"]]
