"""The OpenAPI document: what FastAPI knows of its own routes, and by hand what the chat routes do, which it does not see."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from app import __version__
from app.api.openapi_calls import CALLS
from app.api.openapi_monitors import MONITOR_PATHS, MONITOR_SCHEMAS
from app.dialects.opening import MAX_NAME_LENGTH


def _described(description: str, schema: str) -> dict[str, Any]:
    """A response whose body is one of `_SCHEMAS`."""
    return {
        "description": description,
        "content": {"application/json": {"schema": _ref(schema)}},
    }


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


_ERROR = _described("OpenAI's error object.", "Error")
_GEMINI_ERROR = _described("Google's error object.", "Object")
_OLLAMA_ERROR = _described("Ollama's error object.", "OllamaError")
_MODEL_REQUEST = {"required": True, "content": {"application/json": {"schema": _ref("ModelRequest")}}}

_WEBHOOK_REQUEST = {"required": True, "content": {"application/json": {"schema": _ref("Webhook")}}}
_REQUESTS = {
    "/api/show": _MODEL_REQUEST,
    "/api/pull": _MODEL_REQUEST,
    "/webhooks/parallel-monitor": _WEBHOOK_REQUEST,
}
"""Bodies that FastAPI does not see, as the routes read them themselves."""

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
                    "text/event-stream": {},
                },
            },
            **{str(status): _ERROR for status in (400, 401, 403, 404, 413, 429, 502, 503, 504)},
        },
    }
}

_ADMIN_STATUSES = (400, 401, 403, 429, 503)

_RESPONSES: dict[str, Any] = {
    "/v1/models": {"200": _described("The models.", "ModelList"), "401": _ERROR, "429": _ERROR},
    "/v1/models/{name}": {
        "200": _described("The model.", "Model"),
        **{str(status): _ERROR for status in (401, 404, 429)},
    },
    "/v1/capabilities": {
        "200": _described("The models.", "Object"),
        **{str(status): _ERROR for status in (401, 404, 429)},
    },
    "/v1/health/providers": {"200": _described("Those of this worker.", "Object"), "401": _ERROR, "429": _ERROR},
    "/v1beta/models": {"200": _described("The models.", "Object"), "401": _GEMINI_ERROR, "429": _GEMINI_ERROR},
    "/api/tags": {"200": _described("The models.", "Object"), "401": _OLLAMA_ERROR, "429": _OLLAMA_ERROR},
    "/api/ps": {"200": _described("The models.", "Object"), "401": _OLLAMA_ERROR, "429": _OLLAMA_ERROR},
    "/api/show": {
        "200": _described("The model.", "Object"),
        **{str(status): _OLLAMA_ERROR for status in (400, 401, 404, 429)},
    },
    "/api/pull": {
        "200": {
            "description": "There is nothing to download.",
            "content": {"application/x-ndjson": {}, "application/json": {"schema": _ref("Object")}},
        },
        **{str(status): _OLLAMA_ERROR for status in (400, 401, 403, 404, 429)},
    },
    "/webhooks/parallel-monitor": {
        "200": _described("It is taken, or nothing has to be done.", "WebhookReceipt"),
        **{str(status): _ERROR for status in (400, 401, 413, 429, 503)},
    },
    "/healthz": {"200": _described("It runs.", "Health")},
    "/readyz": {"200": _described("It can serve.", "Health"), "503": _described("It cannot, and why.", "Health")},
}

_SCHEMAS: dict[str, Any] = {
    "ChatRequest": {
        "type": "object",
        "required": ["model", "messages"],
        "properties": {
            "model": {
                "type": "string",
                "pattern": r"\S",
                "maxLength": MAX_NAME_LENGTH,
                "examples": ["demo", "openai/gpt-4.1-mini", "demo@team-a"],
            },
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
                "properties": {"include_usage": {"type": ["boolean", "null"]}},
            },
        },
    },
    "Model": {
        "type": "object",
        "required": ["id", "object", "created", "owned_by"],
        "properties": {
            "id": {"type": "string"},
            "object": {"const": "model"},
            "created": {"type": "integer"},
            "owned_by": {"type": "string"},
        },
    },
    "ModelList": {
        "type": "object",
        "required": ["object", "data"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
        },
    },
    "Object": {"type": "object"},
    "ModelRequest": {
        "type": "object",
        "required": ["model"],
        "properties": {"model": {"type": "string", "minLength": 1}},
    },
    "Webhook": {
        "type": "object",
        "required": ["type", "data"],
        "properties": {
            "type": {
                "type": "string",
                "examples": ["monitor.event.detected", "monitor.execution.completed", "monitor.execution.failed"],
            },
            "timestamp": {"type": "string"},
            "data": {
                "type": "object",
                "required": ["monitor_id"],
                "properties": {
                    "monitor_id": {"type": "string"},
                    "event": {"type": "object"},
                    "metadata": {"type": "object"},
                },
            },
        },
    },
    "WebhookReceipt": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": ["stored", "noted", "duplicate", "unknown_monitor", "ignored"]},
            "event_group_id": {"type": "string"},
        },
    },
    "OllamaError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    "Health": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "string"},
            "journal_bytes": {"type": "integer"},
            "journal_limit_bytes": {"type": "integer"},
        },
        "additionalProperties": {"type": "string"},
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


def describe(app: FastAPI, describe_admin: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The document, made once, with that of the administrators' API."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        document["info"]["version"] = __version__
        document["paths"] |= {"/v1/chat/completions": _CHAT, **CALLS, **MONITOR_PATHS}
        components = document.setdefault("components", {})
        admin = describe_admin()
        components.setdefault("schemas", {}).update({**admin["components"]["schemas"], **_SCHEMAS, **MONITOR_SCHEMAS})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"] = _RESPONSES.get(path, operation["responses"])
                if path.startswith(("/v1/", "/v1beta/", "/api/")) and path != "/api/version":
                    operation["security"] = [{"token": []}]
                if path in _REQUESTS:
                    operation["requestBody"] = _REQUESTS[path]
        for path, operations in admin["paths"].items():
            document["paths"][path] = operations
            for operation in operations.values():
                operation["responses"] |= {str(status): _ERROR for status in _ADMIN_STATUSES}
                operation["security"] = [{"token": []}]
                if "{" in path:
                    operation["responses"]["404"] = _ERROR
        app.openapi_schema = document
    return app.openapi_schema
