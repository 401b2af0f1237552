"""What OpenTelemetry's conventions for generative AI call the facts of a call.

https://github.com/open-telemetry/semantic-conventions-genai
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from app.core.record import CallRecord
from app.core.reply import FIRST_ERROR_STATUS, Outcome, went_well

Attribute = str | int | float | bool
FindBaseUrl = Callable[[str], str | None]

_OPERATIONS = {
    "chat": "chat",
    "messages": "chat",
    "responses": "chat",
    "generate": "generate_content",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "embed": "embeddings",
}
# The conventions' names of providers, by the keys that the shipped configuration gives them; all others go by their key.
_PROVIDERS = {"google": "gcp.gemini", "gemini": "gcp.gemini", "xai": "x_ai", "mistral": "mistral_ai"}

# The buckets that the conventions recommend.
TOKEN_BUCKETS = tuple(4**power for power in range(14))
DURATION_BUCKETS_S = tuple(0.01 * 2**power for power in range(14))
FIRST_TOKEN_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


def operation_of(record: CallRecord) -> str:
    """What was asked for."""
    return _OPERATIONS.get(record.surface, record.surface)


def common_attributes(record: CallRecord, model: str, find_base_url: FindBaseUrl) -> dict[str, Attribute]:
    """What spans and metrics have in common; `model` is the one that was asked for, by a name that is bounded for metrics."""
    attributes: dict[str, Attribute] = {"gen_ai.operation.name": operation_of(record), "gen_ai.request.model": model}
    if record.provider is not None:
        attributes["gen_ai.provider.name"] = _PROVIDERS.get(record.provider, record.provider)
        attributes |= _server(find_base_url(record.provider))
    if (error := error_type(record)) is not None:
        attributes["error.type"] = error
    return attributes


def span_attributes(record: CallRecord) -> dict[str, Attribute]:
    """What spans have besides; nothing of what was said."""
    usage = record.usage
    attributes: dict[str, Attribute] = {
        "gen_ai.request.stream": record.streamed,
        "llm_relay.request_id": record.id,
        "llm_relay.surface": record.surface,
        "llm_relay.attempts": record.attempts,
        "llm_relay.outcome": record.outcome.value,
        "http.response.status_code": record.status,
    }
    if record.model is not None and record.outcome is not Outcome.ERROR:
        attributes["gen_ai.response.model"] = record.model
    if usage.total:
        attributes |= {
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.completion,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write + usage.cache_write_1h,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
        }
    if record.first_byte_ms is not None and record.streamed:
        attributes["gen_ai.response.time_to_first_chunk"] = record.first_byte_ms / 1000
    if record.cost is not None:
        attributes["llm_relay.cost_usd"] = float(record.cost)
    if record.helper is not None:
        attributes["llm_relay.helper"] = record.helper
    return attributes


def error_type(record: CallRecord) -> str | None:
    """The status of an error, or how a call ended that has none; None where it went well."""
    if went_well(record.status, record.outcome):
        return None
    has_status = record.status >= FIRST_ERROR_STATUS and record.outcome is not Outcome.CLIENT_GONE
    return str(record.status) if has_status else record.outcome.value


def _server(base_url: str | None) -> dict[str, Attribute]:
    if base_url is None:
        return {}
    parts = urlsplit(base_url)
    if parts.hostname is None:
        return {}
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
    }
