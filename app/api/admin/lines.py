"""Answers of the administrators' API that come as lines of JSON while something goes on."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse

from app.core.jsonio import Json, dumps

_MEDIA_TYPE = "application/x-ndjson"

IN_LINES: dict[int | str, dict[str, Any]] = {200: {"content": {_MEDIA_TYPE: {}}}}
"""Such an answer in the document."""


def in_lines(objects: AsyncGenerator[Mapping[str, Json], None]) -> StreamingResponse:
    """Each of `objects` as it comes. They are closed when the client leaves."""

    async def lines() -> AsyncIterator[bytes]:
        async with aclosing(objects):
            async for each in objects:
                yield dumps(dict(each)) + b"\n"

    return StreamingResponse(lines(), media_type=_MEDIA_TYPE)
