"""The gateway itself over HTTP: what it is, where its data are, and how much of it there is."""

from dataclasses import asdict
from datetime import UTC, datetime

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.moments import ShownMoment
from app.system import SystemDesk


class DatabaseShown(BaseModel):
    """Which one it is, without user and password."""

    server: str
    where: str
    bytes: int
    schema_revision: str | None


class DiskShown(BaseModel):
    """Where the data lie; in bytes."""

    folder: str
    free: int
    total: int


class JournalShown(BaseModel):
    """Calls that the database does not have yet, in bytes."""

    bytes: int
    limit: int


class CountsShown(BaseModel):
    """`configured` providers can be used; `active` models are switched on."""

    providers: int
    configured: int
    models: int
    active: int
    tokens: int


class SystemShown(BaseModel):
    """The gateway itself."""

    version: str
    python: str
    platform: str
    worker: int = Field(description="The process that answers.")
    workers: int = Field(description="How many there are on this machine.")
    started: ShownMoment = Field(description="When the process that answers did.")
    now: ShownMoment
    database: DatabaseShown
    disk: DiskShown
    journal: JournalShown
    counts: CountsShown
    pages: dict[str, bool] = Field(description="What the pages load, and whether it is installed.")


class ProviderCounts(BaseModel):
    """Those that can be used are `configured`."""

    total: int
    configured: int


class ModelCounts(BaseModel):
    """Those that are switched on are `active`."""

    active: int
    available: int


class Stats(BaseModel):
    """How many there are."""

    providers: ProviderCounts
    models: ModelCounts


class CollectionShown(BaseModel):
    """What a cache keeps."""

    name: str
    cache: str | None = Field(description="Its name; null where it belongs to none that is there.")
    entries: int


class CacheStatusShown(BaseModel):
    """Where semantic caches keep their entries."""

    configured: bool = Field(description="There is a Chroma server; else it is a file.")
    url: str
    prefix: str
    available: bool
    error: str | None
    collections: list[CollectionShown]


def system_router(authorise: Authorise, desk: SystemDesk) -> APIRouter:
    """`/admin/api/system`, `stats` and `chroma/status`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api", tags=["system"], dependencies=[Depends(authorise)])

    @router.get("/system", summary="The gateway itself", openapi_extra=FOR_ADMINS)
    async def show() -> SystemShown:
        fields = asdict(await desk.show()) | {"now": datetime.now(UTC)}
        fields["database"]["schema_revision"] = fields["database"].pop("schema")
        return SystemShown.model_validate(fields)

    @router.get("/stats", summary="How many providers and models there are")
    async def stats() -> Stats:
        counts = await desk.count()
        return Stats(
            providers=ProviderCounts(total=counts.providers, configured=counts.configured),
            models=ModelCounts(active=counts.active, available=counts.models),
        )

    @router.get("/chroma/status", summary="Where semantic caches keep their entries", openapi_extra=FOR_ADMINS)
    async def caches() -> CacheStatusShown:
        return CacheStatusShown.model_validate(asdict(await desk.caches()))

    return router
