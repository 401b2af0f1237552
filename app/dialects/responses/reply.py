"""A whole reply: a provider's read into events, and one for a client written from what they come to."""

from collections.abc import Iterator

from app.core.errors import UpstreamError, UpstreamInvalid
from app.core.events import Citation, Completion, Event, TextDelta, unfold
from app.core.jsonio import Json
from app.dialects.dialect import About
from app.dialects.responses.errors import read_failure
from app.dialects.responses.output import Output, read_started
from app.dialects.responses.written import Writing

# A response in these states has no answer, and will not have one by itself.
_UNDONE = ("queued", "in_progress", "cancelled")


def read_reply(document: Json) -> list[Event]:
    """The events of a response object.

    Raises:
        UpstreamInvalid: it is none, or not done.
        UpstreamError: it failed.
    """
    if not isinstance(document, dict):
        raise UpstreamInvalid("The provider's reply is no JSON object.")
    status = document.get("status")
    if status == "failed" or (document.get("error") and not isinstance(document.get("output"), list)):
        failed = read_failure(document)
        raise UpstreamError(failed.message, status=failed.status, body=failed.body, type=failed.type, code=failed.code)
    if not isinstance(document.get("output"), list):
        raise UpstreamInvalid("The provider's reply is no response: it has no 'output'.")
    if status in _UNDONE:
        raise UpstreamInvalid(f"The provider's response has the status {status!r} and no answer.")
    return [read_started(document), *Output().end(document)]


def write_reply(completion: Completion, about: About) -> dict[str, Json]:
    """The response object that says `completion`."""
    writing = Writing(about)
    for event in _with_sources_in_place(completion):
        writing.take(event)
    return writing.response


def _with_sources_in_place(completion: Completion) -> Iterator[Event]:
    """The events of `completion`, each citation right after the text that it backs, or else after the last one."""
    events = list(unfold(completion))
    ends: list[int] = []
    length = 0
    for event in events:
        if isinstance(event, TextDelta):
            length += len(event.text)
            ends.append(length)
    waiting = [event for event in events if isinstance(event, Citation)]
    texts = 0
    for event in events:
        if isinstance(event, Citation) and ends:
            continue
        yield event
        if isinstance(event, TextDelta):
            texts += 1
            last = texts == len(ends)
            here = [source for source in waiting if last or (source.end is not None and source.end <= ends[texts - 1])]
            waiting = [source for source in waiting if source not in here]
            yield from here
