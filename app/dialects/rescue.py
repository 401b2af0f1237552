"""Streams that can break off and be carried on by another provider: read into events and written anew for the client."""

import time
from collections.abc import Sequence
from dataclasses import replace

from app.core.call import Call
from app.core.chat import ChatRequest, Message, Text
from app.core.errors import RelayError, UpstreamError
from app.core.events import (
    Citation,
    Event,
    Failed,
    Finished,
    ImageMade,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallStarted,
)
from app.core.jsonio import InvalidJson, dumps
from app.core.usage import NO_USAGE, Usage
from app.dialects.dialect import About, Dialect
from app.dialects.ollama.dialect import OLLAMA_GENERATE
from app.dialects.registry import DIALECTS

GO_ON = (
    "Your answer above was cut off in the middle. Go on exactly where it ends, in the midst of the sentence or word if need be."
    " Repeat nothing of it, and say nothing about the interruption."
)
"""What the next model is asked. Many providers refuse a conversation that ends with the model's own words."""

# A prompt's calls are asked, and read, as a chat: only that has turns.
_ASKED_AS = {"ollama-generate": "ollama"}
_IN_NO_CHAT = frozenset({"suffix", "raw", "template", "context"})


def open_rescue(call: Call) -> "Rescue | None":
    """What carries the stream of `call` on when it breaks off; None where the request cannot be understood well enough.

    That is so of legacy completions too: they have no turns in which to ask for more; and of a request to /api/generate
    that says what no chat can be told.
    """
    dialect = DIALECTS.get(call.dialect)
    if dialect is None or DIALECTS[_asked_as(dialect)].client_only:
        return None
    try:
        request = dialect.read_request(call.payload)
        if call.dialect == OLLAMA_GENERATE.name and _IN_NO_CHAT & (request.extras or {}).keys():
            return None
        return Rescue(call, request)
    except (RelayError, InvalidJson):
        return None


class Rescue:
    """One stream. What the canonical events do not know of it is lost on the way.

    Attributes:
        call: what the first target is asked.
        media_type: of the client's stream.
        ended: what was given last ends it.
    """

    def __init__(self, call: Call, request: ChatRequest) -> None:
        goal = DIALECTS[call.dialect]
        about = About(call.id, call.name, int(time.time()), call.wants_usage, call.payload, call.started_at)
        self.media_type = goal.stream_type
        self._request = request
        self._source = DIALECTS[_asked_as(goal)]
        self._reader = self._source.read_stream()
        self._writer = goal.write_stream(about)
        self._texts: list[str] = []
        self._text_before = 0  # characters, of the replies that broke off
        self._used_before = NO_USAGE
        self._error: UpstreamError | None = None
        self._begun = False
        self.ended = False
        self._is_more_than_text = False
        # Usage is asked for in any case: it is one of the events.
        self.call = replace(call if self._source is goal else self._rewritten(call, request), wants_usage=True)

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for a piece of a reply.

        Raises:
            UpstreamError: the provider reported an error in the midst of it; what came before that has been given.
        """
        out = self._written(self._reader.feed(data))
        if self._error is not None and not out:
            raise self._error
        return out

    def close(self) -> bytes:
        """The client's last bytes, when the reply is at its end.

        Raises:
            UpstreamError: as `feed`.
        """
        if self._error is not None:
            raise self._error
        return b"" if self.ended else self._written(self._reader.close(certain=True))

    def carry_on(self, used: Usage) -> Call | None:
        """What the next target is asked, after the last one broke off and had used so much; None where it cannot go on.

        Behind anything but text it cannot: the arguments of a tool call may have been cut anywhere.
        """
        if self._is_more_than_text or self.ended:
            return None
        self._reader, self._error = self._source.read_stream(), None
        text = "".join(self._texts)
        self._text_before = len(text)
        self._used_before = self._used_before.plus(used)
        if not text:
            return self.call
        partial = (Message("assistant", (Text(text),)), Message("user", (Text(GO_ON),)))
        return self._rewritten(self.call, replace(self._request, messages=(*self._request.messages, *partial)))

    def _rewritten(self, call: Call, request: ChatRequest) -> Call:
        """`call` with another request. What only its own dialect has stays, where that is still its dialect."""
        payload = self._source.write_request(request, call.name, True).payload
        if call.dialect == self._source.name:
            payload = {**call.payload, **payload}
        return replace(call, dialect=self._source.name, payload=payload, body=dumps(payload))

    def _written(self, events: Sequence[Event]) -> bytes:
        return b"".join([self._write(event) for event in events])

    def _write(self, event: Event) -> bytes:
        match event:
            case Started():
                if self._begun:
                    return b""
                self._begun = True
            case TextDelta(text):
                self._texts.append(text)
            case Citation(start=int(start), end=int(end)):
                event = replace(event, start=start + self._text_before, end=end + self._text_before)
            case ToolCallStarted() | RefusalDelta() | ImageMade():
                self._is_more_than_text = True
            case Finished(usage=usage):
                self.ended = True
                event = replace(event, usage=self._used_before.plus(usage or NO_USAGE))
            case Failed(message, status, kind, code):
                self._error = UpstreamError(message, status=status, type=kind, code=code)
                return b""
        return self._writer.write(event)


def _asked_as(dialect: Dialect) -> str:
    return dialect.form_of or _ASKED_AS.get(dialect.name, dialect.name)
