"""Every recorded chat request, decoded and encoded anew: it says the same."""

from typing import Any

import pytest

from app.dialects.openai.decode import read_request
from app.dialects.openai.encode import write_request
from app.dialects.openai_models import shortened_id
from tests.recordings import OPENAI_COMPATIBLE, Recording, recorded

# OpenRouter's own, Qwen's, and those whose answer our events have no place for: they are named instead.
NOT_SAID = ("provider", "enable_thinking")
# What it asks for happens anyway.
SAID_BY_ITSELF = {"n": 1, "stream": False, "usage": {"include": True}}


def is_marked(payload: dict[str, Any]) -> bool:
    return str(payload["model"]).startswith("anthropic/")


def as_said(payload: dict[str, Any]) -> dict[str, Any]:
    """`payload` in the words in which the gateway says it."""
    said = {
        key: value for key, value in payload.items() if value != SAID_BY_ITSELF.get(key, ...) and key not in NOT_SAID
    }
    said["messages"] = [one for message in payload["messages"] for one in messages_as_said(message, is_marked(payload))]
    if payload.get("stream"):
        said["stream_options"] = {"include_usage": True}
    if not said.get("tools"):
        for key in ("tools", "tool_choice", "parallel_tool_calls"):  # there is nothing to choose from
            said.pop(key, None)
    if "max_completion_tokens" in said and "gpt-5" not in payload["model"] and not payload["model"].startswith("o"):
        said["max_tokens"] = said.pop("max_completion_tokens")
    if reasoning := said.pop("reasoning", None):
        said["reasoning_effort"] = reasoning.get("effort") or "medium"
    if schema := said.get("response_format", {}).get("json_schema"):
        said["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", **schema}}
    return said


def messages_as_said(message: dict[str, Any], marked: bool) -> list[dict[str, Any]]:
    details = message.get("reasoning_details") or []
    # Reasoning is not sent back, but Gemini's proofs of its calls are, in Gemini's own place.
    proofs = {item["id"]: item["data"] for item in details if item.get("format") == "google-gemini-v1"}
    earlier = ("reasoning", "reasoning_content", "reasoning_details")
    said = {key: value for key, value in message.items() if value is not None and key not in earlier}
    if proofs:
        said["tool_calls"] = [
            {**call, "extra_content": {"google": {"thought_signature": proofs[call["id"]]}}}
            for call in said["tool_calls"]
        ]
    content = said.get("content")
    following = []
    if isinstance(content, list):
        # OpenAI caches without being told to.
        parts = [{key: value for key, value in part.items() if key != "prompt_cache_breakpoint"} for part in content]
        shown = [part for part in parts if part["type"] != "text"]
        if message["role"] == "tool" and shown:
            note = {"type": "text", "text": "Image from tool content_returning:"}
            following.append({"role": "user", "content": [note, *shown]})
            parts = [part for part in parts if part["type"] == "text"]
        text_only = all(part.keys() == {"type", "text"} for part in parts)
        content = "\n\n".join(part["text"] for part in parts) if text_only else parts
    assert marked or "cache_control" not in str(content)
    said["content"] = content if content or not message.get("tool_calls") else None
    said["role"] = "system" if message["role"] == "developer" else message["role"]
    if "tool_calls" in said:
        said["tool_calls"] = [{**call, "id": shortened_id(call["id"], 40)} for call in said["tool_calls"]]
    if "tool_call_id" in said:
        said["tool_call_id"] = shortened_id(said["tool_call_id"], 40)
    if said["role"] == "tool":
        said.pop("name", None)  # the id tells it
    return [said, *following]


@pytest.mark.parametrize("recording", recorded("chat.*", *OPENAI_COMPATIBLE, "gemini"))
def test_request_says_the_same(recording: Recording) -> None:
    payload = recording.request
    if not payload.get("messages"):
        pytest.skip("the source kept no messages")

    encoded = write_request(read_request(payload), payload["model"], payload.get("stream") is True)

    assert encoded.payload == as_said(payload)
    assert set(encoded.unsupported) == payload.keys() & set(NOT_SAID)
