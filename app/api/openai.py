"""The list of models that clients of three APIs ask for at the same path; their headers tell which is theirs."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api import gemini
from app.api.listing import Identify, respond_json
from app.core.errors import UnknownModel
from app.core.jsonio import Json
from app.providers.snapshot import ListedModel
from app.smart.listing import ModelLists

_NAME_PARAMETER = {"parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]}


def models_router(identify: Identify, lists: ModelLists) -> APIRouter:
    """`/v1/models`, answered from memory, whatever the providers do; each token sees the models that it may use."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models/", include_in_schema=False)
    @router.head("/v1/models", include_in_schema=False)
    @router.get("/v1/models", summary="The models that this token may use")
    async def list_models(request: Request) -> Response:
        models = lists.visible(await identify(request))
        if "anthropic-version" in request.headers:
            return respond_json(_anthropic_list(models))
        if "x-goog-api-key" in request.headers:
            return respond_json(gemini.listed(models))
        return respond_json({"object": "list", "data": [_entry(model) for model in models]})

    # Read from the request and described by hand: for a declared parameter FastAPI imports all of pydantic.v1 at the start.
    @router.get("/v1/models/{name:path}", summary="One model, by any of its names", openapi_extra=_NAME_PARAMETER)
    async def get_model(request: Request) -> Response:
        name = request.path_params["name"]
        model = lists.find(name, await identify(request))
        if model is None:
            raise UnknownModel(f"The model {name!r} does not exist here. GET /v1/models lists all.", param="model")
        if "anthropic-version" in request.headers:
            return respond_json(_anthropic_entry(model))
        return respond_json(gemini.entry(model) if "x-goog-api-key" in request.headers else _entry(model))

    return router


def _entry(model: ListedModel) -> dict[str, Json]:
    # OpenAI's type demands a date; most providers give none that is true.
    entry = {"id": model.id, "object": "model", "created": 0, "owned_by": model.owner}
    if model.known.description is not None:
        entry["description"] = model.known.description
    # OpenRouter's words for both, which clients look for.
    return _with_length(entry, "context_length", model)


def _anthropic_entry(model: ListedModel) -> dict[str, Json]:
    entry = {"type": "model", "id": model.id, "display_name": model.id, "created_at": "1970-01-01T00:00:00Z"}
    return _with_length(entry, "max_input_tokens", model)


def _with_length(entry: dict[str, Json], key: str, model: ListedModel) -> dict[str, Json]:
    length = model.known.abilities.context_length
    return entry if length is None else {**entry, key: length}


def _anthropic_list(models: list[ListedModel]) -> dict[str, Json]:
    entries = [_anthropic_entry(model) for model in models]
    first, last = (entries[0]["id"], entries[-1]["id"]) if entries else (None, None)
    return {"data": entries, "has_more": False, "first_id": first, "last_id": last}
