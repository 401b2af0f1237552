"""Calls that are not chat in the OpenAPI document: their requests, as far as the gateway looks at them, and their replies."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.dialects.opening import MAX_NAME_LENGTH

_OBJECT = {"$ref": "#/components/schemas/Object"}
_MODEL = {"type": "string", "pattern": r"\S", "maxLength": MAX_NAME_LENGTH}
_STREAM = {"type": ["boolean", "null"]}
_ANY: dict[str, Any] = {}
_STATUSES = (400, 401, 403, 404, 413, 429, 502, 503, 504)
_ERRORS = {
    "openai": ("OpenAI's error object.", "Error"),
    "ollama": ("Ollama's error object.", "OllamaError"),
    "gemini": ("Google's error object.", "Object"),
}


def _call(
    operation: str,
    summary: str,
    required: Sequence[str],
    properties: Mapping[str, Any],
    *,
    api: str = "openai",
    body_type: str = "application/json",
    reply_types: Sequence[str] = ("application/json",),
    parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    description, schema = _ERRORS[api]
    error = {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
    request = {"type": "object", "required": list(required), "properties": dict(properties)}
    reply = {kind: {"schema": _OBJECT} if kind == "application/json" else {} for kind in reply_types}
    return {
        "post": {
            "tags": [api],
            "summary": summary,
            "operationId": operation,
            "parameters": list(parameters),
            "requestBody": {"required": True, "content": {body_type: {"schema": request}}},
            "responses": {
                "200": {"description": "As that API has it.", "content": reply},
                **{str(status): error for status in _STATUSES},
            },
        }
    }


def _form(operation: str, summary: str) -> dict[str, Any]:
    return _call(
        operation,
        summary,
        ("model", "file"),
        {"model": _MODEL, "file": {"type": "string", "format": "binary"}, "stream": {"enum": ["true", "false"]}},
        body_type="multipart/form-data",
        reply_types=("application/json", "text/plain", "text/vtt", "application/x-subrip", "text/event-stream"),
    )


def _gemini(operation: str, summary: str, required: str) -> dict[str, Any]:
    properties = {
        "content": {"type": "object"},
        "requests": {"type": "array", "minItems": 1, "items": {"type": "object"}},
    }
    name = {"name": "name", "in": "path", "required": True, "schema": _MODEL}
    return _call(operation, summary, (required,), {required: properties[required]}, api="gemini", parameters=(name,))


_EVENTS = ("application/json", "text/event-stream")

CALLS: dict[str, dict[str, Any]] = {
    "/v1/completions": _call(
        "create_completion",
        "Legacy completions, whole or streamed",
        ("model", "prompt"),
        {"model": _MODEL, "prompt": _ANY, "stream": _STREAM},
        reply_types=_EVENTS,
    ),
    "/v1/embeddings": _call(
        "create_embedding", "Embeddings", ("model", "input"), {"model": _MODEL, "input": _ANY, "stream": _STREAM}
    ),
    "/v1/images/generations": _call(
        "create_image", "Pictures", (), {"model": _MODEL, "stream": _STREAM}, reply_types=_EVENTS
    ),
    "/v1/audio/transcriptions": _form("create_transcription", "The words of a sound, whole or streamed"),
    "/v1/audio/translations": _form("create_translation", "The same in English"),
    "/v1/audio/speech": _call(
        "create_speech", "Sound of words", ("model",), {"model": _MODEL, "stream": _STREAM}, reply_types=("audio/*",)
    ),
    "/v1/moderations": _call("create_moderation", "Moderations", (), {"model": _MODEL, "stream": _STREAM}),
    "/api/embed": _call("ollama_embed", "Embeddings", ("model",), {"model": _MODEL, "input": _ANY}, api="ollama"),
    "/api/embeddings": _call(
        "ollama_embeddings", "An embedding", ("model",), {"model": _MODEL, "prompt": _ANY}, api="ollama"
    ),
    "/v1beta/models/{name}:embedContent": _gemini("gemini_embed", "An embedding", "content"),
    "/v1beta/models/{name}:batchEmbedContents": _gemini("gemini_batch_embed", "Embeddings", "requests"),
}
"""By their path."""
