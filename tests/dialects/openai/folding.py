"""Folds a chat stream or a whole reply into what it says, independently of the gateway's own code."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from app.dialects.openai.stream import ChatStream

Chunk = dict[str, Any]


@dataclass
class Folded:
    """What the choices of a reply say, by index."""

    texts: dict[tuple[int, str], str] = field(default_factory=dict)
    tools: dict[tuple[int, int], dict[str, str]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def data_of(stream: bytes) -> list[bytes]:
    """The data of a stream's events, by the standard's rules."""
    found = []
    for event in re.split(rb"(?:\r\n|\n|\r(?!\n)){2,}", stream):
        lines = re.split(rb"\r\n|\n|\r", event)
        values = [line.removeprefix(b"data:").removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        if values:
            found.append(b"\n".join(values))
    return found


def chunks_of(stream: bytes) -> list[Chunk]:
    """The JSON of a stream's events, without `[DONE]`."""
    return [json.loads(data.decode(errors="replace")) for data in data_of(stream) if data.strip() != b"[DONE]"]


def fold(chunks: list[Chunk]) -> Folded:
    """The sum of a stream's deltas."""
    folded = Folded()
    for chunk in chunks:
        for choice in chunk.get("choices") or []:
            _add(folded, choice.get("index", 0), choice.get("delta") or {})
            if choice.get("finish_reason"):
                folded.reasons[choice.get("index", 0)] = choice["finish_reason"]
    return folded


def last_usage(chunks: list[Chunk]) -> dict[str, Any] | None:
    """What the last report of usage says."""
    reports = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    return reports[-1] if reports else None


def run(stream: ChatStream, pieces: list[bytes]) -> bytes:
    """All that the client gets when the provider's bytes come in these pieces, up to the end that they know of."""
    out = []
    for piece in pieces:
        out.append(stream.feed(piece))
        if stream.ended:
            return b"".join(out)
    return b"".join([*out, stream.close(certain=True)])


def cut(body: bytes, size: int) -> list[bytes]:
    """`body` in pieces of `size` bytes."""
    return [body[start : start + size] for start in range(0, len(body), size)]


def _add(folded: Folded, index: int, delta: Chunk) -> None:
    for key in ("content", "reasoning", "reasoning_content", "refusal"):
        if delta.get(key):
            folded.texts[index, key] = folded.texts.get((index, key), "") + delta[key]
    for call in delta.get("tool_calls") or []:
        tool = folded.tools.setdefault((index, call.get("index", 0)), {})
        parts = {"id": call.get("id"), **(call.get("function") or {})}
        for key, value in parts.items():
            tool[key] = tool.get(key, "") + (value or "")
