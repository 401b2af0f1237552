"""Every recorded request, read and written again: it says the same.

What may differ, and is made alike here: how a message with one text is written, `developer` for `system`, the first system
message as `instructions`, ids of messages and calls, one summary for many, `strict: false` and `stream: false` left out,
empty lists and instructions, the lifetime of a cache mark. What is added: `store` and `include`, where reasoning was wished for.
"""

from typing import Any

import pytest

from app.dialects.responses.dialect import RESPONSES
from tests.recordings import Recording, recorded

Payload = dict[str, Any]

REQUESTS = [
    param
    for param in recorded("responses.*", "openai", "xai", "openrouter")
    if not isinstance(param.values[0], Recording) or "input" in param.values[0].request
]

LEAST_TOKENS = 16  # what the API takes


def normalised(payload: Payload) -> Payload:
    kept = {key: value for key, value in payload.items() if value not in (None, [], "", False) and key != "input"}
    items = payload["input"]
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    if instructions := kept.pop("instructions", None):
        items = [{"role": "system", "content": instructions}, *items]
    kept["input"] = [_item(item) for item in items]
    kept["tools"] = [
        {"strict": False, **{key: value for key, value in tool.items() if value is not None}}
        for tool in kept.get("tools", [])
    ]
    kept["max_output_tokens"] = max(kept.get("max_output_tokens", 16), 16)
    return kept


def _item(item: Payload) -> Payload:
    kind = item.get("type", "message")
    if kind == "message":
        role = "system" if item["role"] == "developer" else item["role"]
        text = "output_text" if role == "assistant" else "input_text"
        return {"type": kind, "role": role, "content": _content(item["content"], text)}
    if kind == "reasoning":
        return {**item, "summary": "\n\n".join([part["text"] for part in item["summary"]])}
    if kind == "function_call_output":
        return {**item, "output": _content(item["output"], "input_text")}
    return {key: value for key, value in item.items() if key != "id"}


def _content(content: Any, kind: str) -> list[Payload]:
    return [{"type": kind, "text": content}] if isinstance(content, str) else content


@pytest.mark.parametrize("recording", REQUESTS)
def test_request_that_is_read_and_written_says_the_same(recording: Recording) -> None:
    payload = recording.request

    encoded = RESPONSES.write_request(RESPONSES.read_request(payload), payload["model"], bool(payload.get("stream")))

    expected = normalised(payload)
    if "reasoning" in payload:
        expected["include"] = ["reasoning.encrypted_content"]
    assert normalised(encoded.payload) == expected
    is_raised = payload.get("max_output_tokens", LEAST_TOKENS) < LEAST_TOKENS
    assert encoded.unsupported == (("max_tokens",) if is_raised else ())


@pytest.mark.parametrize("recording", REQUESTS)
def test_client_without_state_keeps_its_reasoning(recording: Recording) -> None:
    payload = recording.request

    written = RESPONSES.write_request(RESPONSES.read_request(payload), "m", False).payload

    if "reasoning" in payload:
        assert written["store"] is payload.get("store", False)
        assert "reasoning.encrypted_content" in written["include"]
    else:
        assert written.get("include") == payload.get("include")
        assert written.get("store") == payload.get("store")
