"""Caches over HTTP, beside their definitions: what they keep, and what was wrong of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.admin.authorise import Authorise
from app.api.admin.refused import InvalidParameters, refusing
from app.api.admin.smart_models import CacheStatsShown, refusing_names, show_smart_model
from app.smart.cache_desk import CacheDesk, NoSuchPair

_AWAY: dict[int | str, dict[str, Any]] = {503: {"description": "What the cache keeps cannot be reached now."}}


class CacheShown(BaseModel):
    """What a cache keeps, and what it has done."""

    id: str
    name: str
    collection: str = Field(description="In the store; another embedder begins another one.")
    entries: int
    stats: CacheStatsShown


class Cleared(BaseModel):
    """How many answers were forgotten."""

    cleared: int


class Wrong(BaseModel):
    """An answer that should not have been given."""

    id: str = Field(description="What the response's `x-relay-cache-id` told.")


def caches_router(authorise: Authorise, desk: CacheDesk) -> APIRouter:
    """What is below one cache, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/caches", tags=["smart models"], dependencies=[Depends(authorise)])

    @router.get("/{key}/stats", summary="What a cache keeps and has done", responses=_AWAY)
    async def stats(key: str) -> CacheShown:
        with refusing_names():
            stored, content = await desk.look(key)
        shown = show_smart_model(stored)["stats"]
        return CacheShown(
            id=stored.id, name=stored.model.name, collection=content.collection, entries=content.entries, stats=shown
        )

    @router.post("/{key}/clear", summary="Forget all its answers", responses=_AWAY)
    async def clear(key: str) -> Cleared:
        with refusing_names():
            return Cleared(cleared=await desk.clear(key))

    @router.post("/{key}/wrong", status_code=204, summary="Never give that answer to that question again")
    async def wrong(key: str, said: Annotated[Wrong, Body()]) -> Response:
        with refusing_names(), refusing({NoSuchPair: InvalidParameters}):
            await desk.keep_apart(key, said.id)
        return Response(status_code=204)

    return router
