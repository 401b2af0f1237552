"""Routers over HTTP, beside their definitions: what another one would have chosen for calls of the log."""

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.api.admin.authorise import Authorise
from app.api.admin.moments import ShownMoment
from app.api.admin.refused import InvalidParameters, refusing
from app.api.admin.smart_models import refusing_names
from app.core.money import write_usd
from app.desks.replay import NotReplayed, ReplayDesk, Replayed
from app.metering.reports import select
from app.smart.replay import Fate

_MOST_SHOWN = 200


class Trial(BaseModel):
    """Which definition is tried on which calls."""

    model_config = ConfigDict(extra="forbid")

    definition: dict[str, Any] | None = Field(None, description="In place of the router's own.")
    days: int | None = Field(
        None, ge=1, le=3660, description="The last UTC days, today among them; 30 where none are said."
    )
    start: date | None = None
    end: date | None = None
    name: str | None = Field(
        None, max_length=200, description="Calls for this name, in place of those that came through the router."
    )
    ask: bool = Field(False, description="Ask the designator, which costs what it costs; these calls are not recorded.")
    most: int = Field(1000, ge=1, le=10_000, description="Calls at most, the newest.")


class ChosenShown(BaseModel):
    """How often a candidate would be chosen."""

    model: str
    calls: int


class FlipShown(BaseModel):
    """A call that would go elsewhere."""

    id: str
    at: ShownMoment
    before: str = Field(description="The `provider/model` that answered.")
    after: str = Field(description="The candidate that would be chosen.")
    why: str
    cost_before: str | None = Field(description="In USD, exact.")
    cost_after: str | None


class ReplayShown(BaseModel):
    """What became of the calls. All are taken to use as many tokens as they did."""

    calls: int
    cut: bool = Field(description="There were more calls than `most`.")
    chosen: list[ChosenShown] = Field(description="The most frequent first.")
    compared: int = Field(description="Of how many it is known who answered.")
    flips: int = Field(description="How many of those would go elsewhere.")
    untold: int = Field(description="Of how many too little is known: what they asked was not kept.")
    asked: int = Field(description="For how many the designator would be asked, and was not.")
    fallbacks: int = Field(description="How many would go to the fallback for want of a choice.")
    priced: int = Field(description="Of how many both costs are known.")
    before: str = Field(description="What those cost, in USD, exact.")
    after: str = Field(description="What they would cost.")
    designators: str = Field(description="What designators cost that were asked now.")
    elsewhere: list[FlipShown] = Field(description="The newest calls that would go elsewhere.")


def routers_router(authorise: Authorise, desk: ReplayDesk) -> APIRouter:
    """What is below one router, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/routers", tags=["smart models"], dependencies=[Depends(authorise)])

    @router.post("/{key}/replay", summary="What a router would have chosen for calls of the log")
    async def replay(key: str, trial: Annotated[Trial, Body()]) -> ReplayShown:
        selection = select(days=trial.days, start=trial.start, end=trial.end)
        with refusing_names(), refusing({NotReplayed: InvalidParameters}):
            replayed = await desk.run(
                key,
                selection,
                trial.definition,
                name=trial.name,
                asks=trial.ask,
                most=trial.most,
                most_flips=_MOST_SHOWN,
            )
        return _show(replayed)

    return router


def _show(replayed: Replayed) -> ReplayShown:
    tally = replayed.tally
    chosen = sorted(tally.chosen.items(), key=lambda each: -each[1])
    return ReplayShown(
        calls=tally.calls,
        cut=replayed.is_cut,
        chosen=[ChosenShown(model=model, calls=calls) for model, calls in chosen],
        compared=tally.compared,
        flips=tally.flips,
        untold=tally.untold,
        asked=tally.asked,
        fallbacks=tally.fallbacks,
        priced=tally.priced,
        before=write_usd(tally.before),
        after=write_usd(tally.after),
        designators=write_usd(tally.designators),
        elsewhere=list(map(_show_flip, replayed.flips)),
    )


def _show_flip(fate: Fate) -> FlipShown:
    past = fate.past
    return FlipShown(
        id=past.call.id,
        at=datetime.fromtimestamp(past.at, UTC),
        before=past.target or "",
        after=fate.chosen or "",
        why=fate.why,
        cost_before=None if past.cost is None else write_usd(past.cost),
        cost_after=None if fate.cost is None else write_usd(fate.cost),
    )
