"""All that administrators have made, over HTTP: carried out and in as one document."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.refused import Conflicting, InvalidParameters, Refusals, refusing
from app.exchange.desk import ExchangeDesk, InvalidDocument, Line, Plan, PlanOutdated

Document = Annotated[dict[str, Any], Body(description="As `GET /admin/api/config/export` gives it, or parts of it.")]


_REFUSALS: Refusals = {InvalidDocument: InvalidParameters, PlanOutdated: partial(Conflicting, code="plan_outdated")}


class LineShown(BaseModel):
    """What becomes of one entry."""

    section: str
    key: str
    action: Literal["added", "changed", "removed"]
    before: dict[str, Any] | None = Field(
        description="Its fields; of one that changes, those that become another. What is but a value is the field `value`."
        " null: it is not there."
    )
    after: dict[str, Any] | None = Field(description="The same afterwards. null: it is not there any more.")


class ImportShown(BaseModel):
    """What an import did, or with `dry_run` would do."""

    done: bool
    mark: str = Field(description="Of all that it does. An import that is given it does that or nothing.")
    lines: list[LineShown]
    unchanged: int
    warnings: list[str] = Field(description="What to know before, and what is left to do after: a sentence each.")


def config_router(authorise: Authorise, desk: ExchangeDesk) -> APIRouter:
    """All below `/admin/api/config`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/config", tags=["export and import"], dependencies=[Depends(authorise)])

    @router.get("/export", summary="Everything but secrets and logs", openapi_extra=FOR_ADMINS)
    async def export() -> dict[str, Any]:
        return await desk.export()

    @router.post(
        "/import",
        summary="Bring in what a document holds, all or nothing",
        responses={
            409: {"description": "What is there has changed: it would do something else than what was looked at."}
        },
    )
    async def bring_in(
        document: Document,
        replace: Annotated[bool, Query(description="Remove what is not in it, of the sections that it has.")] = False,
        dry_run: Annotated[bool, Query(description="Tell what would be done, and do nothing.")] = False,
        seen: Annotated[
            str | None, Query(max_length=64, description="The `mark` that `dry_run` gave: do that, or nothing.")
        ] = None,
    ) -> ImportShown:
        with refusing(_REFUSALS):
            if dry_run:
                return _shown(await desk.plan(document, replace=replace), done=False)
            return _shown(await desk.bring_in(document, replace=replace, seen=seen), done=True)

    return router


def _shown(plan: Plan, *, done: bool) -> ImportShown:
    return ImportShown(
        done=done,
        mark=plan.mark,
        lines=[_line(line) for line in plan.lines],
        unchanged=plan.unchanged,
        warnings=list(plan.warnings),
    )


def _line(line: Line) -> LineShown:
    before, after = line.shown
    return LineShown(section=line.section, key=line.key, action=line.action, before=before, after=after)
