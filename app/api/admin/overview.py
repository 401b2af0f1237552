"""What the overview shows beside the usage, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from app.api.admin.authorise import Authorise
from app.core.money import write_usd
from app.desks.overview import Overview
from app.metering.reports import select

Days = Annotated[int, Query(ge=1, le=3660, description="The last UTC days, today among them.")]


class FirstBytes(BaseModel):
    """How long clients waited for the first byte: exact to 5 %. Null where no call of the period had one."""

    calls: int
    p50_ms: float | None
    p95_ms: float | None


class CacheSavings(BaseModel):
    """What caches saved in the period, also those that are gone since. `caches` is how many there are now."""

    caches: int
    requests: int
    hits: int
    tokens: int
    cost: str = Field(description="In USD, by the prices of the targets.", examples=["0.0123"])


class OverviewShown(BaseModel):
    """All of it."""

    first_bytes: FirstBytes
    cache_savings: CacheSavings


def overview_router(authorise: Authorise, overview: Overview) -> APIRouter:
    """`/admin/api/overview`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/overview", tags=["usage"], dependencies=[Depends(authorise)])

    @router.get("", summary="How long clients waited, and what caches saved")
    async def show(days: Days = 7) -> OverviewShown:
        selection = select(days=days)
        waits, savings = await overview.waits(selection), await overview.savings(selection)
        return OverviewShown(
            first_bytes=FirstBytes(calls=waits.calls, p50_ms=waits.p50_ms, p95_ms=waits.p95_ms),
            cache_savings=CacheSavings(
                caches=savings.caches,
                requests=savings.requests,
                hits=savings.hits,
                tokens=savings.tokens,
                cost=write_usd(savings.cost),
            ),
        )

    return router
