"""How the administrators' API writes times: all in one form."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainSerializer, WithJsonSchema

from app.core.moments import write_moment

ShownMoment = Annotated[
    datetime,
    PlainSerializer(write_moment, when_used="json"),
    WithJsonSchema(
        {"type": "string", "format": "date-time", "examples": ["2026-11-22T09:30:00.120Z"]}, mode="serialization"
    ),
]


def moment_of(ms: int) -> datetime:
    """A moment that is kept as milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)
