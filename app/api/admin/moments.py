"""How the administrators' API writes times: all in one form."""

from datetime import datetime
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
