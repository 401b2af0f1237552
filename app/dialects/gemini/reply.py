"""Whole replies: read as events, and written from what they come to."""

from app.core.errors import UpstreamError
from app.core.events import Completion, Event, unfold
from app.core.jsonio import Json
from app.dialects.dialect import About
from app.dialects.gemini.errors import find_error, read_failure
from app.dialects.gemini.reading import ReplyReader
from app.dialects.gemini.writing import ReplyWriter


def read_reply(document: Json) -> list[Event]:
    """The events of a `GenerateContentResponse`, or of a list of them: a stream that was not asked for as events.

    Raises:
        UpstreamInvalid: it is none.
        UpstreamError: it is an error that came with status 200.
    """
    if (error := find_error(document)) is not None:
        failed = read_failure(error)
        raise UpstreamError(failed.message, status=failed.status, body=failed.body, type=failed.type, code=failed.code)
    reader = ReplyReader()
    events: list[Event] = []
    for chunk in document if isinstance(document, list) else [document]:
        events += reader.take(chunk)
    return events + reader.finish(whole=True)


def write_reply(completion: Completion, about: About) -> dict[str, Json]:
    """The `GenerateContentResponse` that says the same."""
    writer = ReplyWriter(about)
    parts: list[Json] = []
    chunk: dict[str, Json] = {}
    for event in unfold(completion):
        if (written := writer.write(event)) is not None:
            chunk = written
            parts += chunk["candidates"][0]["content"]["parts"]
    said = [part for part in parts if part != {"text": ""}]
    chunk["candidates"][0]["content"]["parts"] = said or parts
    return chunk
