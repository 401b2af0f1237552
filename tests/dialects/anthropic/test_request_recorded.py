"""Every recorded request: read and written again, it says the same, except for what is listed here."""

from typing import Any

import pytest

from app.core.jsonio import dumps
from app.dialects.anthropic.request import read_asked, read_request, write_request
from tests.recordings import Recording, recorded

RECORDED = [
    param
    for param in recorded("messages.*", "anthropic")
    if param.marks or (param.values[0].document["request"] or {}).get("body")
]
EACH = pytest.mark.parametrize("recording", RECORDED)

# What a canonical request has no place for; the writer names it.
NOT_KEPT = {
    "messages.tool-call": ("tools.defer_loading",),
    "messages.tool-result": ("tools.defer_loading",),
    "messages.tool-result-2": ("tool_use.cache_control",),
    "messages.tool-result-stream": ("tool_use.cache_control",),
}


def written_again(recording: Recording) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = recording.request
    encoded = write_request(read_request(request), request["model"], request.get("stream") is True)
    return encoded.payload, tuple(encoded.unsupported)


@EACH
def test_request_says_the_same_when_it_is_read_and_written(recording: Recording) -> None:
    payload, unsupported = written_again(recording)

    assert normal(payload) == normal(recording.request)
    assert unsupported == NOT_KEPT.get(recording.path.stem, ())


@EACH
def test_request_is_accepted_at_the_door(recording: Recording) -> None:
    asked = read_asked(dumps(recording.request))

    assert asked.name == recording.request["model"]
    assert asked.streamed is (recording.request.get("stream") is True)
    assert asked.wants_usage


def normal(request: dict[str, Any]) -> dict[str, Any]:
    """The request with all that may be said in two ways said in one."""
    request = {key: value for key, value in request.items() if value not in (None, False)}
    system = blocks(request.pop("system", []))
    turns: list[dict[str, Any]] = []
    for message in request.pop("messages"):
        content = [block for block in map(block_of, blocks(message["content"])) if block]
        if message["role"] == "system":  # all of them go to the top
            system = system + content
        elif turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content
        else:
            turns.append({"role": message["role"], "content": content})
    # The beta's name for what is now in `output_config`.
    if wanted := request.pop("output_format", None):
        request["output_config"] = {"format": wanted}
    tools = [{k: v for k, v in tool.items() if k != "defer_loading"} for tool in request.pop("tools", [])]
    return request | {"system": system, "messages": turns, "tools": tools}


def blocks(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def block_of(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "tool_result":
        block = {**block, "content": [block_of(inner) for inner in blocks(block.get("content", []))]}
        block.setdefault("is_error", False)
    if block["type"] == "tool_use":
        block = {key: value for key, value in block.items() if key != "cache_control"}
    return block
