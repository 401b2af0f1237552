"""The log over HTTP: its last lines, and the others as they come. They name users, and are for admins only."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from app.api.admin.authorise import FOR_ADMINS, Authorise
from app.api.admin.moments import ShownMoment
from app.core.errors import RelayError
from app.recent_lines import MOST_LINES, Line, RecentLines

_CHECK_S = 5.0
"""So long after a session is over, no line of its stream is told any more, at most."""

Level = Annotated[
    Literal["debug", "info", "warning", "error"], Query(description="Only lines of this level, and of worse ones.")
]


class LineShown(BaseModel):
    """A line, without secrets."""

    number: int
    at: ShownMoment
    level: str
    logger: str
    text: str


class LinesShown(BaseModel):
    """The oldest first."""

    worker: int = Field(description="The process whose lines they are: each worker has its own.")
    lines: list[LineShown]


def logs_router(authorise: Authorise, recent: RecentLines) -> APIRouter:
    """All below `/admin/api/logs`, for those whom `authorise` lets in."""
    router = APIRouter(prefix="/admin/api/logs", tags=["log"], dependencies=[Depends(authorise)])

    @router.get("", summary="The last lines of the log", openapi_extra=FOR_ADMINS)
    async def lines(level: Level = "debug", limit: Annotated[int, Query(ge=1, le=MOST_LINES)] = 200) -> LinesShown:
        return _shown(recent, recent.read(level=logging.getLevelNamesMapping()[level.upper()], most=limit))

    @router.get(
        "/stream",
        summary="The last lines and those that come, as server-sent events",
        openapi_extra=FOR_ADMINS,
        response_class=StreamingResponse,
    )
    async def stream(request: Request) -> StreamingResponse:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(_events(recent, authorise, request), media_type="text/event-stream", headers=headers)

    return router


async def _events(recent: RecentLines, authorise: Authorise, request: Request) -> AsyncGenerator[str, None]:
    """Ends with the gateway, and with the session or token of who listens, however busy the log is."""
    checked = time.monotonic()
    async with aclosing(recent.follow()) as following:
        async for lines in following:
            if not lines or time.monotonic() - checked >= _CHECK_S:
                try:
                    await authorise(request)
                except RelayError:
                    return
                checked = time.monotonic()
            yield f"data: {_shown(recent, lines).model_dump_json()}\n\n"


def _shown(recent: RecentLines, lines: list[Line]) -> LinesShown:
    return LinesShown(
        worker=recent.worker,
        lines=[
            LineShown(number=line.number, at=line.at, level=line.level_name, logger=line.logger, text=line.text)
            for line in lines
        ],
    )
