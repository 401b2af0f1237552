"""What others know of models, over HTTP: looked at first, and taken over as far as it was picked."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from app.api.admin.authorise import Authorise
from app.api.admin.lines import IN_LINES, in_lines
from app.api.admin.refused import Conflicting, InvalidParameters, Refusals, refusing
from app.core.errors import RelayError, Unavailable
from app.core.jsonio import Json
from app.desks.descriptions import DescriptionSync, Lookup, Progress, Steps
from app.desks.price_sync import FileChanged, InvalidPriceFile, PriceDiff, PriceSync, Unfetchable
from app.metering.litellm_facts import FactChange
from app.metering.price_sync import Difference

_MOST_PICKED = 100_000
Ids = Annotated[list[str], Field(max_length=_MOST_PICKED, description="As provider/model.")]
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://")]


_REFUSALS: Refusals = {
    Unfetchable: partial(Unavailable, code="file_unavailable"),
    InvalidPriceFile: InvalidParameters,
    FileChanged: partial(Conflicting, code="file_changed"),
}


class PriceSyncAsked(BaseModel):
    """Whether to look at the file only, or what of it to take over."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = True
    url: Url | None = Field(None, description="Where the file is; absent: in LiteLLM's repository.")
    version: str = Field(
        "", max_length=64, description="Of the file that was looked at; what is applied is of no other."
    )
    prices: Ids = Field(default_factory=list, description="Models whose prices to take over.")
    facts: Ids = Field(default_factory=list, description="Models of which to take over what is known.")


class RateChange(BaseModel):
    """One rate that would be another, in USD as it is written; null is none."""

    rate: str
    old: str | None
    new: str | None


class PriceChange(BaseModel):
    """One model whose price would be another."""

    id: str
    change: str = Field(description="new, changed or no longer listed.")
    own_price_stays: bool = Field(description="You have a price of your own for it, which stays in force.")
    rates: list[RateChange]


class FactChangeShown(BaseModel):
    """One model of which another thing would be known."""

    id: str
    change: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


class PriceSyncShown(BaseModel):
    """What the file would change, or what was changed."""

    applied: bool
    version: str
    prices: list[PriceChange]
    facts: list[FactChangeShown]
    faults: list[str] = Field(description="Of models whose prices in the file cannot be used.")


class DescriptionSyncAsked(BaseModel):
    """Whether to look only, or which descriptions to take over."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = True
    update_existing: bool = Field(False, description="Also of models that are described already.")
    url: Url | None = Field(None, description="Where OpenRouter's list is; absent: at OpenRouter.")
    models: Ids = Field(default_factory=list, description="Whose descriptions to take over.")


def syncs_router(authorise: Authorise, prices: PriceSync, descriptions: DescriptionSync) -> APIRouter:
    """`/admin/api/models/sync` and what is below it, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/models/sync", tags=["models"], dependencies=[Depends(authorise)])

    @router.post(
        "",
        summary="Prices and facts of LiteLLM's file: what would change, or take over what was picked",
        responses={
            409: {"description": "The file is another one than that of `version`."},
            503: {"description": "The file cannot be fetched."},
        },
    )
    async def sync_prices(asked: PriceSyncAsked) -> PriceSyncShown:
        with refusing(_REFUSALS):
            if asked.dry_run:
                return _shown(await prices.look(asked.url), applied=False)
            diff = await prices.sync(asked.url, asked.version, set(asked.prices), set(asked.facts))
            return _shown(diff, applied=True)

    @router.post(
        "/descriptions",
        summary="Descriptions by the providers and by OpenRouter: what would change, or take over what was picked",
        description="Answers line by line: `asked`, `verdict`, `done` and `all` for each provider, and in the end `result`, or `error`.",
        response_class=StreamingResponse,
        responses=IN_LINES,
    )
    async def sync_descriptions(asked: DescriptionSyncAsked) -> StreamingResponse:
        options: Any = {"update_existing": asked.update_existing, "url": asked.url}
        steps = descriptions.look(**options) if asked.dry_run else descriptions.sync(frozenset(asked.models), **options)
        return in_lines(_told(steps, applied=not asked.dry_run))

    return router


async def _told(steps: Steps, *, applied: bool) -> AsyncGenerator[dict[str, Json], None]:
    async with aclosing(steps):
        try:
            async for step in steps:
                yield asdict(step) if isinstance(step, Progress) else {"result": _found(step, applied=applied)}
        except (ValueError, RelayError) as exc:
            yield {"error": {"message": exc.message if isinstance(exc, RelayError) else str(exc)}}


def _found(lookup: Lookup, *, applied: bool) -> Json:
    return {
        "applied": applied,
        "skipped": lookup.skipped,
        "attempted": dict(lookup.attempted),
        "descriptions": [{"id": str(each.target), "origin": each.origin, "text": each.text} for each in lookup.found],
    }


def _shown(diff: PriceDiff, *, applied: bool) -> PriceSyncShown:
    return PriceSyncShown(
        applied=applied,
        version=diff.version,
        prices=[_price(each) for each in diff.prices],
        facts=[_fact(each) for each in diff.facts],
        faults=diff.faults,
    )


def _price(each: Difference) -> PriceChange:
    return PriceChange(
        id=f"{each.provider}/{each.model}",
        change=each.kind.value,
        own_price_stays=each.own,
        rates=[RateChange(rate=rate, old=old or None, new=new or None) for rate, old, new in each.lines()],
    )


def _fact(each: FactChange) -> FactChangeShown:
    old, new = each.sides
    return FactChangeShown(id=f"{each.provider}/{each.model}", change=each.kind, old=old, new=new)
