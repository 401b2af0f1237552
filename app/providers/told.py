"""What a provider's own list tells of a model, beside its name."""

from collections.abc import Mapping, Sequence

from app.core.abilities import Capability
from app.core.frozen import frozen
from app.core.jsonio import Json

# Longer ones are advertisements; what reads them is mostly a model, and pays for each word.
_MOST_CHARACTERS = 2000


@frozen
class Told:
    """One entry of a list.

    Attributes:
        model: the provider's own name for it.
        context_length: in tokens; None, as everything else, where the list does not tell.
        max_output_tokens: the most that it writes in one reply.
    """

    model: str
    context_length: int | None = None
    capabilities: tuple[Capability, ...] | None = None
    family: str | None = None
    description: str | None = None
    max_output_tokens: int | None = None


def told_by_openai(entry: Mapping[str, Json]) -> Told | None:
    """Of a list as OpenAI's API has it, and as those that are compatible to it, and Anthropic's, have extended it."""
    model = entry.get("id")
    if not isinstance(model, str):
        return None
    # OpenRouter and Together, Groq, Mistral, vLLM, Anthropic.
    keys = ("context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens")
    most = _positive(_object(entry.get("top_provider")).get("max_completion_tokens"))  # OpenRouter
    return Told(
        model,
        _first_positive(entry, keys),
        _of_openrouter(entry) or _of_mistral(entry),
        description=_text(entry.get("description")),
        # Groq, Anthropic.
        max_output_tokens=most or _first_positive(entry, ("max_completion_tokens", "max_tokens")),
    )


def told_by_gemini(entry: Mapping[str, Json]) -> Told | None:
    """Of Gemini's list."""
    name = entry.get("name")
    if not isinstance(name, str):
        return None
    return Told(
        name.removeprefix("models/"),
        _positive(entry.get("inputTokenLimit")),
        ("embedding",) if _only_embeds(entry.get("supportedGenerationMethods")) else None,
        description=_text(entry.get("description")),
        max_output_tokens=_positive(entry.get("outputTokenLimit")),
    )


def told_by_ollama(entry: Mapping[str, Json]) -> Told | None:
    """Of Ollama's `/api/tags`."""
    name = entry.get("name")
    if not isinstance(name, str):
        return None
    return Told(name, family=_text(_object(entry.get("details")).get("family")))


def _of_openrouter(entry: Mapping[str, Json]) -> tuple[Capability, ...] | None:
    """https://openrouter.ai/docs/api-reference/list-available-models"""
    architecture = _object(entry.get("architecture"))
    taken, parameters = _texts(architecture.get("input_modalities")), _texts(entry.get("supported_parameters"))
    made = _texts(architecture.get("output_modalities"))
    if not taken or entry.get("supported_parameters") is None:
        return None
    found: dict[Capability, bool] = {
        "completion": not made or "text" in made,
        "tools": "tools" in parameters,
        "vision": "image" in taken,
        "reasoning": "reasoning" in parameters,
        "search": "web_search_options" in parameters,
        "audio": "audio" in taken,
        "pdf": "file" in taken,
        "image": "image" in made,
    }
    return tuple(capability for capability, is_so in found.items() if is_so)


def _of_mistral(entry: Mapping[str, Json]) -> tuple[Capability, ...] | None:
    """https://docs.mistral.ai/api/#tag/models"""
    said = _object(entry.get("capabilities"))
    if "completion_chat" not in said:
        return None
    found: dict[Capability, str] = {
        "completion": "completion_chat",
        "tools": "function_calling",
        "vision": "vision",
        "insert": "completion_fim",
    }
    return tuple(capability for capability, key in found.items() if said.get(key) is True)


def _only_embeds(methods: Json) -> bool:
    return "embedContent" in _texts(methods) and "generateContent" not in _texts(methods)


def _text(value: Json) -> str | None:
    text = " ".join(value.split())[:_MOST_CHARACTERS] if isinstance(value, str) else ""
    return text or None


def _texts(value: Json) -> Sequence[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else ()


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _first_positive(entry: Mapping[str, Json], keys: Sequence[str]) -> int | None:
    return next((number for key in keys if (number := _positive(entry.get(key))) is not None), None)


def _positive(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
