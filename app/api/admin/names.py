"""All smart models together over HTTP: carried out and in as one document, and the way of a call told."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.admin.authorise import FOR_VIEWERS, Authorise
from app.api.admin.models import PriceInForce, price_in_force
from app.api.admin.refused import Conflicting, InvalidParameters, refusing
from app.api.admin.smart_models import refusing_names
from app.auth.issue import NoSuchToken
from app.core.call import Target
from app.core.errors import InvalidRequest
from app.core.principal import Principal
from app.core.smart import KINDS, Kind, SmartModel, definition_of
from app.metering.prices import Found
from app.smart.desk import SmartDesk
from app.smart.exchange import Plan, PlanOutdated, export_names, import_names, plan_import
from app.smart.explain import Explainer, Way
from app.smart.forms import Setting, fields_of

FindPrincipal = Callable[[str], Awaitable[Principal]]
"""Who a token's id stands for; raises `NoSuchToken`."""
FindPrice = Callable[[Target], Awaitable[Found]]
"""What a target costs now."""

_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {
        "description": "A name is taken, or what is there has changed: it would do something else than what was looked at."
    }
}
_EXAMPLE = {"aliases": [{"name": "fast", "target": "openai/gpt-4.1-mini"}]}
_DEFINITIONS = "Lists of definitions by `redirects`, `routers`, `caches`, `augmentors` and `aliases`."


class NameShown(BaseModel):
    """Which smart model."""

    kind: str
    name: str


class ChangeShown(NameShown):
    """A smart model, and its fields that become another."""

    fields: list[str]
    before: dict[str, Any] = Field(description="These fields now.")
    after: dict[str, Any] = Field(description="These fields then.")


class Imported(BaseModel):
    """What an import did, or with `dry_run` would do."""

    mark: str = Field(description="Of all that it does. An import that is given it does that or nothing.")
    added: list[NameShown]
    changed: list[ChangeShown]
    deleted: list[NameShown]
    unchanged: int
    warnings: list[str] = Field(description="What is wrong with what came in, and may come right elsewhere.")


class Question(BaseModel):
    """A request that is to be explained."""

    model_config = ConfigDict(extra="forbid")

    request: dict[str, Any] = Field(
        description="A body as of `/v1/chat/completions`.",
        examples=[{"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}],
    )
    token_id: str | None = Field(None, description="Whose request it is; without, no token is kept from anything.")


class CandidateShown(BaseModel):
    """A model that could be chosen."""

    model: str
    reason: str | None = Field(description="Why it is out; null where it is in.")


class TargetShown(BaseModel):
    """A provider's model, and what it costs."""

    provider: str
    model: str
    price: PriceInForce


class WayShown(BaseModel):
    """A name on the way, and where it leads."""

    name: str
    kind: str | None = Field(description="Of smart model; `default` for the default model; null for any other name.")
    smart_model: str | None = Field(description="Its own name, where it has one.")
    notes: list[str] = Field(description="What decides.")
    candidates: list[CandidateShown]
    asks: list[str] = Field(description="The models of helper calls that would be made.")
    leads_to: list["WayShown"] = Field(
        description="The likeliest first; more than one where only a helper call tells which."
    )
    targets: list[TargetShown] = Field(description="In the order in which they would be asked.")
    error: str | None = Field(description="What the client would be told, where it ends in one.")


class Explanation(BaseModel):
    """The way of a call."""

    resolved: str = Field(description="The likeliest one, as `x-relay-resolved` would tell it.")
    way: WayShown


def names_router(
    authorise: Authorise,
    desk: SmartDesk,
    explainer: Explainer,
    find_principal: FindPrincipal,
    find_price: FindPrice,
) -> APIRouter:
    """All below `/admin/api/names`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/names", tags=["smart models"], dependencies=[Depends(authorise)])

    @router.get("/export", summary="All smart models as one document")
    async def export() -> dict[str, list[dict[str, Any]]]:
        return export_names(await desk.list_all())

    @router.post("/import", summary="Bring in smart models, all or none", responses=_REFUSED)
    async def bring_in(
        document: Annotated[dict[str, Any], Body(description=_DEFINITIONS, examples=[_EXAMPLE])],
        replace: Annotated[bool, Query(description="Remove those that are not in it.")] = False,
        dry_run: Annotated[bool, Query(description="Only tell what would be done.")] = False,
        seen: Annotated[
            str | None, Query(max_length=64, description="The `mark` that `dry_run` gave: do that, or nothing.")
        ] = None,
    ) -> Imported:
        with refusing({PlanOutdated: partial(Conflicting, code="plan_outdated")}), refusing_names():
            if dry_run:
                return show_plan(await plan_import(desk, document, replace=replace))
            return show_plan(await import_names(desk, document, replace=replace, seen=seen))

    @router.get("/forms", summary="What can be set of each kind, for whoever makes a form of it")
    async def forms() -> dict[Kind, list[Setting]]:
        return {kind: fields_of(kind) for kind in KINDS}

    @router.post("/explain", summary="The way that a call would go; nothing is sent", openapi_extra=FOR_VIEWERS)
    async def explain(question: Question) -> Explanation:
        with refusing({NoSuchToken: InvalidParameters, InvalidRequest: InvalidParameters}):
            principal = None if question.token_id is None else await find_principal(question.token_id)
            way = await explainer.explain(question.request, principal)
        return Explanation(resolved=way.resolved, way=await _show_way(way, find_price))

    return router


def show_plan(plan: Plan) -> Imported:
    """What an import does, as JSON has it."""
    return Imported(
        mark=plan.mark,
        added=[NameShown(kind=model.kind, name=model.name) for model in plan.added],
        changed=[
            ChangeShown(
                kind=change.model.kind,
                name=change.model.name,
                fields=list(change.fields),
                before=_fields_of(change.before.model, change.fields),
                after=_fields_of(change.model, change.fields),
            )
            for change in plan.changed
        ],
        deleted=[NameShown(kind=each.kind, name=each.model.name) for each in plan.deleted],
        unchanged=plan.unchanged,
        warnings=[*plan.warnings, *plan.lacking],
    )


def _fields_of(model: SmartModel, fields: Iterable[str]) -> dict[str, Any]:
    written = definition_of(model)
    return {field: written[field] for field in fields}


async def _show_way(way: Way, find_price: FindPrice) -> WayShown:
    targets = [
        TargetShown(provider=each.provider, model=each.model, price=price_in_force(await find_price(each)))
        for each in way.targets
    ]
    return WayShown(
        name=way.wanted,
        kind=None if way.step is None else way.step.kind,
        smart_model=None if way.step is None else way.step.name,
        notes=list(way.notes),
        candidates=[CandidateShown(model=each.model, reason=each.reason) for each in way.candidates],
        asks=list(way.asks),
        leads_to=[await _show_way(each, find_price) for each in way.leads_to],
        targets=targets,
        error=way.error,
    )
