"""The provider's own name for a model in requests that pass: where a body of Gemini's API names one, it does so as a resource."""

from collections.abc import Mapping

from app.core.jsonio import Json
from app.dialects.fields import wrong
from app.dialects.gemini.fields import read_list

_PREFIX = "models/"
# Google's servers read both spellings.
_WHOLE = ("generateContentRequest", "generate_content_request")


def resource(model: str) -> str:
    """The model's name as a resource."""
    return _PREFIX + model.removeprefix(_PREFIX)


def rename(payload: Mapping[str, Json], model: str) -> dict[str, Json]:
    """The members of a request with one content or one conversation that change; it need not name its model."""
    named = resource(model)
    return {"model": named} if payload.get("model", named) != named else {}


def rename_counted(payload: Mapping[str, Json], model: str) -> dict[str, Json]:
    """The same of a request to countTokens, which may hold a whole request."""
    inner = {key: {**value, **rename(value, model)} for key in _WHOLE if isinstance(value := payload.get(key), dict)}
    return rename(payload, model) | {key: value for key, value in inner.items() if value != payload[key]}


def rename_batch(payload: Mapping[str, Json], model: str) -> dict[str, Json]:
    """The same of a request to batchEmbedContents, each of whose requests has to name the model."""
    requests, named = as_requests(payload), resource(model)
    if all(request.get("model") == named for request in requests):
        return {}
    return {"requests": [{**request, "model": named} for request in requests]}


def as_counted(payload: Mapping[str, Json]) -> Mapping[str, Json]:
    """The request whose tokens a request to countTokens wants to know: the one that it holds, or else itself."""
    return next((value for key in _WHOLE if isinstance(value := payload.get(key), dict)), payload)


def as_requests(payload: Mapping[str, Json]) -> list[Json]:
    """The requests of a batch.

    Raises:
        InvalidRequest: there are none.
    """
    requests = read_list(payload.get("requests"), "requests")
    if not requests:
        raise wrong("requests", "a list of at least one request")
    return requests
