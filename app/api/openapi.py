"""The OpenAPI document: what FastAPI knows of its own routes, and by hand what the chat routes do, which it does not see."""

from typing import Any

from fastapi import FastAPI

from app import __version__

_ERROR = {
    "description": "OpenAI's error object.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}

_CHAT = {
    "post": {
        "tags": ["chat"],
        "summary": "Chat completions, whole or streamed",
        "description": "OpenAI's Chat Completions. Fields that are not listed here go to the provider unchanged.",
        "operationId": "create_chat_completion",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}},
        },
        "responses": {
            "200": {
                "description": "The completion; with `stream`, its chunks as server-sent events, `[DONE]` last.",
                "content": {
                    "application/json": {"schema": {"type": "object", "required": ["choices"]}},
                    "text/event-stream": {"schema": {"type": "string"}},
                },
            },
            **{str(status): _ERROR for status in (400, 401, 403, 404, 413, 429, 502, 503, 504)},
        },
    }
}

_SCHEMAS: dict[str, Any] = {
    "ChatRequest": {
        "type": "object",
        "required": ["model", "messages"],
        "properties": {
            "model": {"type": "string", "minLength": 1, "examples": ["demo", "openai/gpt-4.1-mini"]},
            "messages": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["role"],
                    "properties": {"role": {"type": "string"}, "content": {}},
                },
            },
            "stream": {"type": ["boolean", "null"]},
            "stream_options": {
                "type": ["object", "null"],
                "properties": {"include_usage": {"type": "boolean"}},
            },
        },
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "param", "code"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                    "code": {"type": ["string", "integer", "null"]},
                },
            }
        },
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        document["info"]["version"] = __version__
        document["paths"]["/v1/chat/completions"] = _CHAT
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(_SCHEMAS)
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            if path.startswith("/v1/"):
                for operation in operations.values():
                    operation["security"] = [{"token": []}]
                    operation["responses"].setdefault("401", _ERROR)
        app.openapi_schema = document
    return app.openapi_schema
