"""Local servers over HTTP: what they have, and how models are pulled and deleted there."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from app.api.admin.authorise import Authorise
from app.api.admin.lines import IN_LINES, in_lines
from app.api.admin.refused import NotFound, Refusals, refusing
from app.core.errors import Unavailable, UpstreamFailure
from app.core.jsonio import Json
from app.desks.ollama import Inventory, NoSuchLocalModel, NoSuchServer, OllamaDesk, PullRefused, ServerAway

_AWAY: dict[int | str, dict[str, Any]] = {503: {"description": "The server is away, or switched off."}}

_REFUSALS: Refusals = {
    NoSuchServer: partial(NotFound, code="provider_not_found"),
    NoSuchLocalModel: partial(NotFound, code="model_not_found"),
    ServerAway: partial(Unavailable, code="server_away"),
    PullRefused: partial(UpstreamFailure, code="not_pulled"),
}


class LocalModelShown(BaseModel):
    """A model on a server's disk; null is what it does not tell."""

    name: str
    size_bytes: int | None
    parameters: str | None = Field(description="Such as 7.6B.")
    quantisation: str | None = Field(description="Such as Q4_K_M.")
    family: str | None
    modified: str | None
    loaded_bytes: int | None = Field(description="How much of it is in the memory of the GPU; null: it is not loaded.")


class InventoryShown(BaseModel):
    """What a server says of itself."""

    version: str
    models: list[LocalModelShown]


class Pull(BaseModel):
    """Which model to fetch."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[
        str, Field(min_length=1, max_length=500, description="As Ollama's library or Hugging Face has it.")
    ]


def ollama_servers_router(authorise: Authorise, desk: OllamaDesk) -> APIRouter:
    """All below `/admin/api/ollama`, for those whom `authorise` lets in. Servers are providers: they are added there."""
    router = APIRouter(prefix="/admin/api/ollama", tags=["local servers"], dependencies=[Depends(authorise)])

    @router.get("/{key}", summary="The version and the models of a local server", responses=_AWAY)
    async def look(key: str) -> InventoryShown:
        with refusing(_REFUSALS):
            return _shown(await desk.look(key))

    @router.post("/{key}/refresh", summary="Have all workers ask for its models now", responses=_AWAY)
    async def refresh(key: str) -> InventoryShown:
        with refusing(_REFUSALS):
            return _shown(await desk.refresh(key))

    @router.post(
        "/{key}/pull",
        summary="Fetch a model",
        description="Answers with Ollama's own lines as they come; whoever stops reading stops the pull. The last line has"
        " `status` success, or `error`.",
        response_class=StreamingResponse,
        responses=_AWAY | IN_LINES | {502: {"description": "The server does not fetch that."}},
    )
    async def pull(key: str, what: Pull) -> StreamingResponse:
        lines = desk.pull(key, what.model)
        with refusing(_REFUSALS):
            first = await anext(lines, None)

        async def all_lines() -> AsyncGenerator[Mapping[str, Json], None]:
            async with aclosing(lines):
                try:
                    if first is not None:
                        yield first
                    async for line in lines:
                        yield line
                except (PullRefused, ServerAway) as exc:
                    yield {"error": str(exc)}

        return in_lines(all_lines())

    @router.delete("/{key}/models/{model:path}", status_code=204, summary="Delete a model there", responses=_AWAY)
    async def delete(key: str, model: str) -> Response:
        with refusing(_REFUSALS):
            await desk.delete(key, model)
        return Response(status_code=204)

    return router


def _shown(inventory: Inventory) -> InventoryShown:
    models = [
        LocalModelShown(**{name: getattr(each, name) for name in LocalModelShown.model_fields})
        for each in inventory.models
    ]
    return InventoryShown(version=inventory.version, models=models)
