"""Ollama's API beside the calls themselves: what models there are, in the shapes of a server that holds them itself."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.listing import Identify, respond, respond_json
from app.api.relay import CheckName
from app.core.abilities import Abilities
from app.core.errors import InvalidRequest, UnknownModel
from app.core.jsonio import Json
from app.dialects.ollama.catalog import (
    Listed,
    write_described,
    write_ps,
    write_pull,
    write_pull_lines,
    write_show,
    write_tags,
    write_version,
)
from app.dialects.opening import open_body
from app.providers.snapshot import ListedModel
from app.smart.listing import ModelLists


def ollama_router(identify: Identify, lists: ModelLists, check_name: CheckName, started_at: int) -> APIRouter:
    """`/api/tags`, `/api/show`, `/api/ps`, `/api/version` and `/api/pull`, answered from memory,
    but for what a server of Ollama's own says of its models.

    `check_name` refuses what a call by that name would be refused for. `started_at`, in seconds since the epoch, is the date
    that models have here.
    """
    router = APIRouter(tags=["ollama"], prefix="/api")

    async def listed(request: Request) -> list[Listed]:
        models = lists.visible(await identify(request))
        return [_listed(model, started_at) for model in models]

    @router.head("/tags", include_in_schema=False)
    @router.get("/tags", summary="The models that this token may use, as Ollama lists them")
    async def tags(request: Request) -> Response:
        return respond_json(write_tags(await listed(request)))

    @router.get("/ps", summary="The same as running models")
    async def ps(request: Request) -> Response:
        return respond_json(write_ps(await listed(request)))

    @router.head("/version", include_in_schema=False)
    @router.get("/version", summary="The version of Ollama's API")
    async def version() -> Response:
        return respond_json(write_version())

    @router.post("/show", summary="One model")
    async def show(request: Request) -> Response:
        principal = await identify(request)
        name = _name(await _payload(request))
        model = lists.find(name, principal)
        if model is None:
            raise UnknownModel(f"model {name!r} not found")
        if (described := await lists.describe(model)) is not None:
            known = model.known.abilities
            return respond_json(
                write_described(described, known.context_length, _words(known), model.known.description)
            )
        return respond_json(write_show(_listed(model, started_at)))

    @router.post("/pull", summary="Says that there is nothing to download")
    async def pull(request: Request) -> Response:
        principal = await identify(request)
        payload = await _payload(request)
        name = _name(payload)
        await check_name(name, principal)
        if payload.get("stream") is False:
            return respond_json(write_pull(name))
        return respond(write_pull_lines(name), "application/x-ndjson")

    return router


async def _payload(request: Request) -> Mapping[str, Json]:
    return open_body(await request.body())[1]


def _name(payload: Mapping[str, Json]) -> str:
    name = payload.get("model") or payload.get("name")
    if not isinstance(name, str):
        raise InvalidRequest("'model' is missing: give a model's name.", param="model")
    return name


# Ollama's words for what it knows too; of a model that nobody has described clients would offer less than it mostly can.
_WORDS = {
    "completion": "completion",
    "embedding": "embedding",
    "tools": "tools",
    "vision": "vision",
    "reasoning": "thinking",
    "insert": "insert",
}
_USUAL = ("completion", "tools")


def _listed(model: ListedModel, started_at: int) -> Listed:
    known = model.known.abilities
    return Listed(
        id=model.id,
        provider=model.owner,
        family=model.known.family or model.owner,
        context_length=known.context_length,
        capabilities=_words(known) or _USUAL,
        modified_at=started_at,
        description=model.known.description,
    )


def _words(known: Abilities) -> tuple[str, ...] | None:
    """Its capabilities in Ollama's words; None where nobody said."""
    return known.capabilities and tuple(_WORDS[each] for each in known.capabilities if each in _WORDS)
