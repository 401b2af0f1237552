"""A request for a provider of this dialect: contents, tools, and what is configured."""

from app.core.chat import ChatRequest, Encoded, ResponseFormat
from app.core.jsonio import Json
from app.dialects.gemini.models import Traits, traits_of
from app.dialects.gemini.schema import write_schema
from app.dialects.gemini.thinking import write_thinking
from app.dialects.gemini.tools import write_tools
from app.dialects.gemini.turns import write_turns

# What `read_request` puts into `extras`, and is ours for certain; other dialects have a `store` too.
_OWN = frozenset({"safetySettings", "cachedContent", "labels", "serviceTier", "continuationToken"})
_OWN_PATHS = ("generationConfig.", "toolConfig.")

_SEEDS = 1 << 31  # a seed has 32 bits, one of them the sign


def write_request(request: ChatRequest, model: str, _streamed: bool) -> Encoded:
    """The payload; the model and whether it streams are in the URL.

    Raises:
        InvalidRequest: the arguments of a call are no JSON object, or a schema nests too deeply.
    """
    unsupported: list[str] = []
    traits = traits_of(model)
    system, contents = write_turns(request.messages, traits, unsupported)
    payload: dict[str, Json] = {"contents": contents}
    if system:
        payload["systemInstruction"] = {"parts": system}
    payload |= write_tools(request, traits, unsupported)
    if config := _write_config(request, traits, unsupported):
        payload["generationConfig"] = config
    if request.user is not None:
        unsupported.append("user")
    for name, value in (request.extras or {}).items():
        if name in _OWN or name.startswith(_OWN_PATHS):
            _put(payload, name, value)
        else:
            unsupported.append(name)
    return Encoded(payload, tuple(dict.fromkeys(unsupported)))


def _write_config(request: ChatRequest, traits: Traits, unsupported: list[str]) -> dict[str, Json]:
    said = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "maxOutputTokens": request.max_tokens,
        "stopSequences": list(request.stop) or None,
        "seed": request.seed if request.seed is None or -_SEEDS <= request.seed < _SEEDS else request.seed % _SEEDS,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
    }
    config: dict[str, Json] = {key: value for key, value in said.items() if value is not None}
    if request.response_format is not None:
        config |= _write_format(request.response_format)
    if request.reasoning is not None:
        thinking = write_thinking(request.reasoning, traits)
        if thinking is None:
            unsupported.append("reasoning_effort")
        elif thinking:
            config["thinkingConfig"] = thinking
    return config


def _write_format(wanted: ResponseFormat) -> dict[str, Json]:
    if wanted.kind == "text":
        return {}  # the API's own default
    written: dict[str, Json] = {"responseMimeType": "application/json"}
    if wanted.kind == "schema" and wanted.schema is not None:
        described = {"description": wanted.description} if wanted.description else {}
        # As `responseSchema`, a keyword that Google's own form has not would cost the whole request.
        written["responseJsonSchema"] = write_schema({**described, **wanted.schema}, "response_format")
    return written


def _put(payload: dict[str, Json], path: str, value: Json) -> None:
    """Set the field at a dotted path of names."""
    *parents, last = path.split(".")
    for name in parents:
        inner = payload.setdefault(name, {})
        payload = inner if isinstance(inner, dict) else {}
    payload[last] = value
