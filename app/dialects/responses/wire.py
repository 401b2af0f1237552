"""How one event stands in a stream."""

from collections.abc import Mapping

from app.core.jsonio import Json, dumps


def frame(event: Mapping[str, Json]) -> bytes:
    """`event` with its type also before its data, as OpenAI sends it."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + dumps(event) + b"\n\n"
