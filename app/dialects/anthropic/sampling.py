"""How words are chosen: of the usual parameters, those that a model and its thinking permit."""

from app.core.chat import ChatRequest
from app.core.jsonio import Json
from app.dialects.anthropic.models import Traits
from app.dialects.anthropic.thinking import Thinking

# With thinking, `top_p` may be from here to 1.
_LEAST_TOP_P = 0.95


def write_sampling(
    request: ChatRequest, traits: Traits, thinking: Thinking, unsupported: dict[str, None]
) -> dict[str, Json]:
    """The sampling that model and thinking permit. What the API does anyway is neither said nor missed; what is cut is both."""
    said: dict[str, Json] = {}
    fixed = traits.sampling == "fixed"
    temperature, top_p = request.temperature, request.top_p
    if temperature is not None:
        told = min(max(temperature, 0), 1) if not fixed and not thinking.on else 1  # OpenAI's goes to 2
        if not fixed and not thinking.on:
            said["temperature"] = told
        if told != temperature:
            unsupported["temperature"] = None
    if top_p is not None:
        if fixed or (traits.sampling == "one" and "temperature" in said) or (thinking.on and top_p < _LEAST_TOP_P):
            unsupported.update({"top_p": None} if top_p != 1 else {})
        else:
            said["top_p"] = top_p
    if request.top_k is not None:
        if fixed or thinking.on:
            unsupported["top_k"] = None
        else:
            said["top_k"] = request.top_k
    if request.stop:
        # "each stop sequence must contain non-whitespace"
        stop = [sequence for sequence in request.stop if sequence.strip()]
        if stop:
            said["stop_sequences"] = stop
        if len(stop) < len(request.stop):
            unsupported["stop"] = None
    return said
