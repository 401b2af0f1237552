"""A client's request: what the gateway must know of it, and all of it in no dialect."""

from collections.abc import Callable, Mapping

from app.core.chat import ChatRequest, ResponseFormat
from app.core.errors import InvalidRequest
from app.core.jsonio import Json
from app.dialects.asker import said_tags
from app.dialects.dialect import Asked
from app.dialects.fields import as_integer, as_number, as_text
from app.dialects.gemini.contents import as_contents, read_contents, read_system
from app.dialects.gemini.fields import Fields, camel, read_fields, read_texts
from app.dialects.gemini.names import as_counted
from app.dialects.gemini.schema import read_schema
from app.dialects.gemini.thinking import read_thinking
from app.dialects.gemini.tools import read_tool_config, read_tools
from app.dialects.opening import is_name, open_body

_CONFIG = "generationConfig"
_SAMPLING: dict[str, tuple[str, Callable[[Json, str], Json]]] = {
    "temperature": ("temperature", as_number),
    "topP": ("top_p", as_number),
    "topK": ("top_k", as_integer),
    "maxOutputTokens": ("max_tokens", as_integer),
    "stopSequences": ("stop", read_texts),
    "seed": ("seed", as_integer),
    "presencePenalty": ("presence_penalty", as_number),
    "frequencyPenalty": ("frequency_penalty", as_number),
}


def read_asked(body: bytes, name: str, streamed: bool) -> Asked:
    """Check what must be there; whatever else there is, is for the provider to judge.

    Args:
        body: the request's body.
        name: the model, out of the URL.
        streamed: the URL is that of `streamGenerateContent`.

    Raises:
        InvalidRequest: with the field at fault as `param`.
    """
    body, payload = open_body(body)
    _check(payload, name)
    return Asked(body, payload, name, streamed, wants_usage=True, tags=said_tags(payload))


def read_asked_count(body: bytes, name: str) -> Asked:
    """The same of a request to countTokens, which may hold a whole request instead of its contents."""
    body, payload = open_body(body)
    _check(as_counted(payload), name)
    return Asked(body, payload, name, streamed=False, wants_usage=True, tags=said_tags(payload))


def read_request(payload: Mapping[str, Json]) -> ChatRequest:
    """A payload as a canonical request; what only this API has is in `extras`, by its path.

    Raises:
        InvalidRequest: with the field as `param`.
    """
    fields = {camel(key): value for key, value in payload.items() if value is not None}
    extras: dict[str, Json] = {}
    system = read_system(fields.pop("systemInstruction", ""))
    messages = read_contents(fields.pop("contents", None), extras)
    said: dict[str, Json] = _read_config(fields.pop(_CONFIG, {}), extras)
    if "tools" in fields:
        said["tools"] = read_tools(fields.pop("tools"), extras)
    if "toolConfig" in fields:
        said["tool_choice"] = read_tool_config(fields.pop("toolConfig"), extras)
    fields.pop("model", None)  # the one of the URL counts
    return ChatRequest(messages=(*([system] if system else []), *messages), extras={**extras, **fields} or None, **said)


def _check(payload: Mapping[str, Json], name: str) -> None:
    if not is_name(name):
        raise InvalidRequest("The URL must name a model: /v1beta/models/demo:generateContent.", param="model")
    as_contents(payload.get("contents"))


def _read_config(value: Json, extras: dict[str, Json]) -> dict[str, Json]:
    """The arguments of a `ChatRequest` that `generationConfig` tells."""
    fields = read_fields(value, _CONFIG)
    said: dict[str, Json] = {
        name: read(fields.pop(key), f"{_CONFIG}.{key}") for key, (name, read) in _SAMPLING.items() if key in fields
    }
    if "thinkingConfig" in fields:
        said["reasoning"] = read_thinking(fields.pop("thinkingConfig"), extras)
    said["response_format"] = _read_format(fields)
    extras.update({f"{_CONFIG}.{key}": field for key, field in fields.items()})
    return said


def _read_format(fields: Fields) -> ResponseFormat | None:
    """The format that the answer is to have, taken out of `fields`; what is no format of others stays in."""
    media_type = as_text(fields.get("responseMimeType", ""), f"{_CONFIG}.responseMimeType").lower()
    if media_type not in ("", "text/plain", "application/json"):
        return None
    fields.pop("responseMimeType", None)
    for key in ("responseJsonSchema", "responseSchema"):
        if key in fields:
            return ResponseFormat("schema", read_schema(fields.pop(key), f"{_CONFIG}.{key}"))
    if media_type == "application/json":
        return ResponseFormat("json")
    return ResponseFormat("text") if media_type else None
