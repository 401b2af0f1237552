"""OpenAI's surface: chat completions and the list of models."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.client_address import ReadAddress
from app.api.credentials import read_authorization
from app.api.pump import Voice
from app.api.relay import Surface, new_request_id
from app.auth.guard import Guard
from app.core.errors import UnknownModel
from app.core.jsonio import Json, dumps
from app.core.principal import Principal
from app.dialects.openai.errors import write_error, write_error_event
from app.dialects.openai.request import read_asked
from app.providers.registry import ListedModel, Registry

_NAME_PARAMETER = {"parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]}

CHAT = Surface("chat", "openai", lambda body, _: read_asked(body), Voice(write_error, write_error_event))


def models_router(guard: Guard, registry: Registry, read_address: ReadAddress) -> APIRouter:
    """`/v1/models`, answered from memory, whatever the providers do; each token sees the models that it may use."""
    router = APIRouter(tags=["models"])

    async def identify(request: Request) -> Principal:
        address = read_address(request.scope)
        authorization = read_authorization(dict(request.scope["headers"]), request.scope["query_string"])
        return await guard.identify(authorization, address)

    @router.get("/v1/models", summary="The models that this token may use")
    async def list_models(request: Request) -> Response:
        principal = await identify(request)
        return _json(
            {"object": "list", "data": [_entry(model) for model in registry.models if _may_see(principal, model)]}
        )

    # Read from the request and described by hand: for a declared parameter FastAPI imports all of pydantic.v1 at the start.
    @router.get("/v1/models/{name:path}", summary="One model, by any of its names", openapi_extra=_NAME_PARAMETER)
    async def get_model(request: Request) -> Response:
        name = request.path_params["name"]
        principal = await identify(request)
        route = registry.find(name)
        target = route.choices[0].target if route else None
        # A provider whose list is not known serves any name, but nobody can vouch for it.
        is_listed = any(model.target == target for model in registry.models)
        model = ListedModel(name, target) if target and is_listed else None
        if model is None or not _may_see(principal, model):
            raise UnknownModel(f"The model {name!r} does not exist here. GET /v1/models lists all.", param="model")
        return _json(_entry(model))

    return router


def _may_see(principal: Principal, model: ListedModel) -> bool:
    return principal.may_use(str(model.target).lower(), model.target.model.lower())


def _entry(model: ListedModel) -> dict[str, Json]:
    # OpenAI's type demands a date; most providers give none that is true.
    return {"id": model.id, "object": "model", "created": 0, "owned_by": model.target.provider}


def _json(value: Json) -> Response:
    return Response(dumps(value), headers={"x-request-id": new_request_id()}, media_type="application/json")
