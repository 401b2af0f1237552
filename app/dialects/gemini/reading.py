"""A provider's reply read into events: a whole one is one chunk, a stream is several."""

from datetime import UTC, datetime

from app.core.chat import Image
from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.events import (
    Event,
    Finished,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import InvalidJson, Json, dumps
from app.core.usage import Usage
from app.dialects.gemini.contents import new_call_id
from app.dialects.gemini.finish import read_reason
from app.dialects.gemini.grounding import read_grounding
from app.dialects.gemini.signatures import read_signature
from app.dialects.gemini.usage import count_searches, read_usage


class ReplyReader:
    """Give it the chunks of one reply in their order, then `finish`.

    Of several candidates the first is read. What a part holds that others have no event for, such as code that Google ran, is
    passed over; usage is that of the last chunk, as the counts grow with the reply.
    """

    def __init__(self) -> None:
        self._started = False
        self._calls = 0
        self._texts: list[str] = []
        self._grounding: Json = None
        self._groundings: list[dict[str, Json]] = []
        self._usage: Usage | None = None
        self._reason: str | None = None
        self._answered = False

    def take(self, chunk: Json) -> list[Event]:
        """The events of one `GenerateContentResponse`.

        Raises:
            UpstreamInvalid: it is none.
        """
        if not isinstance(chunk, dict):
            raise UpstreamInvalid("The provider sent a chunk that is no JSON object.")
        candidates = chunk.get("candidates")
        if candidates is not None and not isinstance(candidates, list):
            raise UpstreamInvalid("The provider sent a chunk whose candidates are no list.")
        self._usage = read_usage(chunk.get("usageMetadata")) or self._usage
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(_read_start(chunk))
        for candidate in candidates or ():
            if isinstance(candidate, dict) and not candidate.get("index"):
                events += self._take_candidate(candidate)
                return events
        feedback = chunk.get("promptFeedback")
        if isinstance(feedback, dict) and isinstance(feedback.get("blockReason"), str):
            self._reason = feedback["blockReason"]
        return events

    def finish(self, *, whole: bool) -> list[Event]:
        """The citations, and the end.

        Args:
            whole: the reply is one document, so that none of it is missing.

        Raises:
            UpstreamCut: the reply has not said that it ended.
            UpstreamInvalid: there is no answer in it.
        """
        if self._reason is None and not whole:
            raise UpstreamCut("The provider's stream ended before its answer did.")
        if self._reason is None and not self._answered:
            raise UpstreamInvalid("The provider's reply has no candidates.")
        citations = read_grounding(self._grounding, "".join(self._texts)) if self._grounding else []
        reason = read_reason(self._reason or "STOP", called=self._calls > 0)
        return [*citations, Finished(reason, self.counted())]

    def counted(self) -> Usage | None:
        """What the provider has counted up to now."""
        searches = count_searches(self._groundings)
        return self._usage._replace(searches=searches) if self._usage and searches else self._usage

    def _take_candidate(self, candidate: dict[str, Json]) -> list[Event]:
        self._answered = True
        reason = candidate.get("finishReason")
        if isinstance(reason, str):
            self._reason = reason
        if grounding := candidate.get("groundingMetadata"):
            self._grounding = grounding
            self._groundings += [grounding] if isinstance(grounding, dict) else []
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        events: list[Event] = []
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                events += self._take_part(part)
        return events

    def _take_part(self, part: dict[str, Json]) -> list[Event]:
        call, text = part.get("functionCall"), part.get("text")
        if isinstance(call, dict):
            return self._take_call(call, part)
        shown = _read_shown(part)
        if not isinstance(text, str) and shown is None and part.keys() - {"thought", "thoughtSignature", "text"}:
            return []
        events: list[Event] = []
        signature = part.get("thoughtSignature")
        if isinstance(signature, str) and signature:
            read, redacted = read_signature(signature)
            events += [] if read is None else [ReasoningSigned(read, redacted=redacted)]
        if part.get("thought") is True:
            # Pictures that the model thinks with are not its answer.
            return [ReasoningDelta(text), *events] if isinstance(text, str) and text else events
        if isinstance(text, str) and text:
            self._texts.append(text)
            events.append(TextDelta(text))
        elif shown is not None:
            events.append(ImageMade(shown))
        return events

    def _take_call(self, call: dict[str, Json], part: dict[str, Json]) -> list[Event]:
        name, call_id, signature = call.get("name"), call.get("id"), part.get("thoughtSignature")
        if not isinstance(name, str):
            raise UpstreamInvalid("The provider called a function without a name.")
        arguments = call.get("args")
        try:
            written = dumps(arguments if isinstance(arguments, dict) else {}).decode()
        except InvalidJson:
            raise UpstreamInvalid(f"The provider called {name!r} with arguments that cannot be passed on.") from None
        index, self._calls = self._calls, self._calls + 1
        return [
            ToolCallStarted(
                index,
                call_id if isinstance(call_id, str) and call_id else new_call_id(),
                name,
                read_signature(signature)[0] if isinstance(signature, str) and signature else None,
            ),
            ToolCallDelta(index, written),
        ]


def _read_start(chunk: dict[str, Json]) -> Started:
    reply_id, model, created = chunk.get("responseId"), chunk.get("modelVersion"), chunk.get("createTime")
    return Started(
        reply_id if isinstance(reply_id, str) else None,
        model if isinstance(model, str) else None,
        _read_time(created) if isinstance(created, str) else None,
    )


def _read_time(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _read_shown(part: dict[str, Json]) -> Image | None:
    for kind, key in (("inlineData", "data"), ("fileData", "fileUri")):
        media = part.get(kind)
        if isinstance(media, dict) and isinstance(value := media.get(key), str):
            media_type = media.get("mimeType")
            if isinstance(media_type, str) and media_type.startswith("image/"):
                return Image(value, media_type) if key == "data" else Image(media_type=media_type, url=value)
    return None
