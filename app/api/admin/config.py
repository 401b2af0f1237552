"""All that administrators have made, over HTTP: carried out and in as one document."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.refused import InvalidParameters, refusing
from app.exchange.desk import ExchangeDesk, InvalidDocument

Document = Annotated[dict[str, Any], Body(description="As `GET /admin/api/config/export` gives it, or parts of it.")]


class LineShown(BaseModel):
    """What becomes of one entry."""

    section: str
    key: str
    action: Literal["added", "changed", "removed"]
    fields: list[str] = Field(description="Of one that changes, those that become another.")


class ImportShown(BaseModel):
    """What an import did, or with `dry_run` would do."""

    done: bool
    lines: list[LineShown]
    unchanged: int
    warnings: list[str]


def config_router(authorise: Authorise, desk: ExchangeDesk) -> APIRouter:
    """All below `/admin/api/config`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/config", tags=["export and import"], dependencies=[Depends(authorise)])

    @router.get("/export", summary="Everything but secrets and logs", openapi_extra=FOR_ADMINS)
    async def export() -> dict[str, Any]:
        return await desk.export()

    @router.post("/import", summary="Bring in what a document holds, all or nothing")
    async def bring_in(
        document: Document,
        replace: Annotated[bool, Query(description="Remove what is not in it, of the sections that it has.")] = False,
        dry_run: Annotated[bool, Query(description="Tell what would be done, and do nothing.")] = False,
    ) -> ImportShown:
        with refusing({InvalidDocument: InvalidParameters}):
            plan = await desk.plan(document, replace=replace)
            if not dry_run:
                await desk.apply(plan)
        return ImportShown(
            done=not dry_run,
            lines=[
                LineShown(section=line.section, key=line.key, action=line.action, fields=list(line.fields))
                for line in plan.lines
            ],
            unchanged=plan.unchanged,
            warnings=list(plan.warnings),
        )

    return router
