"""What a reply says, told by Google's own SDK from the bytes: independently of the gateway's own code."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from google import genai
from google.genai import types

from app.core.events import Completion

FILTERED = {"SAFETY", "RECITATION", "PROHIBITED_CONTENT", "MALFORMED_FUNCTION_CALL"}


@dataclass
class Said:
    """The sum of a reply."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    reason: str | None = None
    usage: tuple[int, int, int, int] | None = None
    sources: list[str] = field(default_factory=list)


def said_by_sdk(chunks: Iterable[types.GenerateContentResponse]) -> Said:
    """What the first candidates of `chunks` say together."""
    said = Said()
    for chunk in chunks:
        for part in chunk.parts or []:
            if part.function_call:
                said.calls.append((part.function_call.name or "", part.function_call.args or {}))
            elif part.inline_data and part.inline_data.data and not part.thought:
                said.images.append(part.inline_data.data)
            elif part.text and part.thought:
                said.thoughts += part.text
            elif part.text:
                said.text += part.text
        candidate = chunk.candidates[0] if chunk.candidates else None
        if candidate and candidate.finish_reason:
            said.reason = candidate.finish_reason.value
        if candidate and candidate.grounding_metadata:
            said.sources = [
                source.web.uri
                for source in candidate.grounding_metadata.grounding_chunks or []
                if source.web and source.web.uri
            ]
        if usage := chunk.usage_metadata:
            said.usage = (
                (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
                usage.cached_content_token_count or 0,
                usage.candidates_token_count or 0,
                usage.thoughts_token_count or 0,
            )
    return said


def said_by_us(completion: Completion) -> Said:
    """The same of a reply that the gateway has read."""
    usage = completion.usage
    reasons = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
    return Said(
        text=completion.text + completion.refusal,
        thoughts=completion.reasoning,
        calls=[(call.name, json.loads(call.arguments)) for call in completion.tool_calls],
        images=[_decoded(part.data) for part in completion.parts if getattr(part, "media_type", None)],  # type: ignore[union-attr]
        reason=reasons[completion.reason],
        usage=(
            usage.prompt,
            usage.cache_read,
            usage.completion - usage.reasoning,
            usage.reasoning,
        ),
    )


def answered(document: Any) -> list[types.GenerateContentResponse]:
    """What the SDK's client gives when a server answers with `document`, or streams it where it is a list of chunks."""
    if isinstance(document, list):
        return streamed(b"".join([b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in document]))
    return [_ask(httpx.Response(200, json=document)).models.generate_content(model="gemini-3-flash", contents="Hi")]


def streamed(body: bytes) -> list[types.GenerateContentResponse]:
    """What the SDK's client gives when a server streams `body`; raises its errors."""
    client = _ask(httpx.Response(200, content=body, headers={"content-type": "text/event-stream"}))
    return list(client.models.generate_content_stream(model="gemini-3-flash", contents="Hi"))


def _ask(reply: httpx.Response) -> genai.Client:
    """A client of a server that answers with `reply`."""
    client, replies = _client()
    replies[:] = [reply]
    return client


@cache
def _client() -> tuple[genai.Client, list[httpx.Response]]:
    replies: list[httpx.Response] = []
    http = httpx.Client(transport=httpx.MockTransport(lambda _: replies.pop()))
    return genai.Client(api_key="key", http_options=types.HttpOptions(httpx_client=http)), replies


def _decoded(data: str | None) -> bytes:
    blob: types.Blob = types.Blob.model_validate({"data": data, "mimeType": "image/png"})
    return blob.data or b""
