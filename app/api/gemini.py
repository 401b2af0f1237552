"""Gemini's API beside the calls themselves: its list of models, and which of its paths is which call."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.api.errors import RouterError, respond
from app.api.front import Asgi
from app.api.listing import Identify, respond_json
from app.api.relay import RelayRoute, Surface
from app.api.surfaces import (
    GEMINI_COUNT,
    GEMINI_EMBED,
    GEMINI_EMBED_BATCH,
    GENERATE_CONTENT,
    STREAM_GENERATE_ARRAY,
    STREAM_GENERATE_CONTENT,
)
from app.core.abilities import Capability
from app.core.errors import UnknownModel
from app.core.jsonio import Json
from app.providers.snapshot import ListedModel
from app.smart.listing import ModelLists

_VERSIONS = ("v1beta", "v1", "v1alpha")
_METHODS = ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"]

_METHODS_OF: dict[Capability, tuple[str, ...]] = {
    "completion": ("generateContent", "streamGenerateContent"),
    "embedding": ("embedContent", "batchEmbedContents"),
}


def gemini_routes(relay: Callable[[Surface], RelayRoute]) -> list[Route]:
    """The calls; the model is a part of their path."""
    sse, array = relay(STREAM_GENERATE_CONTENT), relay(STREAM_GENERATE_ARRAY)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        route: Asgi = sse if scope["query_string"].find(b"alt=sse") >= 0 else array
        await route(scope, receive, send)

    endpoints: dict[str, Asgi] = {
        "generateContent": relay(GENERATE_CONTENT),
        "streamGenerateContent": stream,
        "countTokens": relay(GEMINI_COUNT),
        "embedContent": relay(GEMINI_EMBED),
        "batchEmbedContents": relay(GEMINI_EMBED_BATCH),
    }
    return [
        Route(f"/{version}/models/{{name:path}}:{method}", _Call(endpoint))
        for version in _VERSIONS
        for method, endpoint in endpoints.items()
    ]


def gemini_other_routes() -> list[Route]:
    """The calls that Gemini's API has and the gateway has not; they come last, as a model's own name may hold a colon too."""
    return [Route(f"/{version}/models/{{name:path}}:{{method}}", _NoCall()) for version in _VERSIONS]


def gemini_models_router(identify: Identify, lists: ModelLists) -> APIRouter:
    """`/v1beta/models` and `/v1alpha/models`, answered from memory; `/v1/models` is shared with OpenAI's API."""
    router = APIRouter(tags=["gemini"])

    @router.get("/v1alpha/models/", include_in_schema=False)
    @router.get("/v1beta/models/", include_in_schema=False)
    @router.get("/v1alpha/models", include_in_schema=False)
    @router.get("/v1beta/models", summary="The models that this token may use, as Gemini lists them")
    async def list_models(request: Request) -> Response:
        models = lists.visible(await identify(request))
        return respond_json(listed(models))

    @router.get("/v1alpha/models/{name:path}", include_in_schema=False)
    @router.get("/v1beta/models/{name:path}", summary="One model", include_in_schema=False)
    async def get_model(request: Request) -> Response:
        name = request.path_params["name"]
        model = lists.find(name, await identify(request))
        if model is None:
            raise UnknownModel(f"The model {name!r} does not exist here. GET /v1beta/models lists all.")
        return respond_json(entry(model))

    return router


class _Call:
    """An ASGI application that takes POSTs only, and to Starlette nothing that it would have to wrap.

    Starlette would give all other methods to the route that has one model, as if that were its name.
    """

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await self._app(scope, receive, send)
        else:
            await respond(_not_allowed(scope, "POST"), Request(scope), "gemini")(scope, receive, send)


class _NoCall:
    """An ASGI application that refuses calls of a method that is not there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            words = f"There is no method {scope['path_params']['method']!r} here, but {', '.join(_METHODS)}."
            response = respond(RouterError(404, words), Request(scope), "gemini")
        else:
            response = respond(_not_allowed(scope, "GET"), Request(scope))
        await response(scope, receive, send)


def _not_allowed(scope: Scope, allowed: str) -> RouterError:
    return RouterError(405, f"{scope['method']} {scope['path']!r}: Method Not Allowed.", (("allow", allowed),))


def listed(models: Sequence[ListedModel]) -> dict[str, Json]:
    """A list of models, as Gemini's API gives it."""
    return {"models": [entry(model) for model in models]}


def entry(model: ListedModel) -> dict[str, Json]:
    """One of them."""
    length = model.known.abilities.context_length
    return {
        "name": f"models/{model.id}",
        "displayName": model.id,
        "description": model.known.description
        or ", ".join(dict.fromkeys(str(choice.target) for choice in model.route.choices)),
        **({} if length is None else {"inputTokenLimit": length}),
        "supportedGenerationMethods": _methods_of(model),
    }


def _methods_of(model: ListedModel) -> list[str]:
    """All, but where it is known to embed or to chat, not those of the other kind."""
    known = model.known.abilities.capabilities or ()
    if not _METHODS_OF.keys() & set(known):
        return _METHODS
    left_out = {method for ability, methods in _METHODS_OF.items() if ability not in known for method in methods}
    return [method for method in _METHODS if method not in left_out]
