"""Caches over HTTP, beside their definitions: what they keep, and what was wrong of it."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.moments import ShownMoment
from app.api.admin.refused import InvalidParameters, NotFound, refusing
from app.api.admin.smart_models import CacheStatsShown, refusing_names, show_smart_model
from app.core.answers import read_completion
from app.core.cached import CacheEntry
from app.core.money import write_usd
from app.smart.cache_desk import CacheDesk, NoSuchEntry, NoSuchPair

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


class EntryShown(BaseModel):
    """An answer that is kept."""

    id: str
    question: str
    answer: str = Field(description="Its text; empty where it has none, as one of tool calls.")
    stored_at: ShownMoment
    expires_at: ShownMoment | None
    input_tokens: int
    output_tokens: int
    cost: str | None = Field(description="In USD, exact, of the call that was answered.")
    target: str
    asked_by: str


class EntriesShown(BaseModel):
    """The newest first."""

    entries: list[EntryShown]
    next: str | None = Field(description="`after` of the next page.")


class PairShown(BaseModel):
    """Two questions between which an answer might be shared."""

    id: str = Field(description="What `/wrong` takes.")
    questions: list[str]
    cosine: float
    differences: list[str] = Field(
        description="Why no answer is shared, however alike they are; none where no reason is found."
    )
    apart: bool = Field(description="Somebody said that they must not share an answer.")


class PairsShown(BaseModel):
    """The most alike first."""

    compared: int = Field(description="Among how many of the newest entries.")
    pairs: list[PairShown]


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

    @router.get("/{key}/entries", summary="What a cache keeps, page by page", responses=_AWAY, openapi_extra=FOR_ADMINS)
    async def entries(
        key: str,
        search: Annotated[str, Query(max_length=500, description="Only questions that hold this.")] = "",
        after: Annotated[str | None, Query(max_length=40, description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> EntriesShown:
        with refusing_names():
            page = await desk.page(key, search, after, limit)
        return EntriesShown(entries=list(map(_show_entry, page.entries)), next=page.after)

    @router.get(
        "/{key}/pairs", summary="Kept questions that are close to each other", responses=_AWAY, openapi_extra=FOR_ADMINS
    )
    async def pairs(
        key: str,
        near: Annotated[
            float | None, Query(ge=-1, le=1, description="Cosines nearest to this; else to the cache's threshold.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> PairsShown:
        with refusing_names():
            found, compared = await desk.find_pairs(key, near, limit)
        shown = [
            PairShown(
                id=each.id,
                questions=[each.one.question, each.other.question],
                cosine=each.cosine,
                differences=list(each.differences),
                apart=each.is_apart,
            )
            for each in found
        ]
        return PairsShown(compared=compared, pairs=shown)

    @router.delete("/{key}/entries/{entry_id}", status_code=204, summary="Forget one answer", responses=_AWAY)
    async def forget(key: str, entry_id: str) -> Response:
        with refusing_names(), refusing({NoSuchEntry: partial(NotFound, code="cache_entry_not_found")}):
            await desk.forget(key, entry_id)
        return Response(status_code=204)

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


def _show_entry(entry: CacheEntry) -> EntryShown:
    completion = read_completion(entry.answer)
    return EntryShown(
        id=entry.id,
        question=entry.question,
        answer="" if completion is None else completion.text,
        stored_at=datetime.fromtimestamp(entry.stored_at, UTC),
        expires_at=None if entry.expires_at is None else datetime.fromtimestamp(entry.expires_at, UTC),
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        cost=None if entry.cost is None else write_usd(entry.cost),
        target=entry.target,
        asked_by=entry.asked_by,
    )
