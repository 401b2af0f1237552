"""A reply written as the parts of a content, event by event: whole replies and streams are written by the same."""

from datetime import UTC, datetime

from app.core.chat import Image
from app.core.events import (
    Citation,
    Event,
    Finished,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import InvalidJson, Json, loads
from app.core.usage import NO_USAGE
from app.dialects.dialect import About
from app.dialects.gemini.finish import MALFORMED_CALL, write_reason
from app.dialects.gemini.grounding import write_grounding
from app.dialects.gemini.signatures import NO_SIGNATURE, write_signature
from app.dialects.gemini.usage import write_usage

_LAST_SECOND = 253402300799  # of the year 9999

_Part = dict[str, Json]


class _OpenCall:
    """A call whose arguments are still coming."""

    def __init__(self, started: ToolCallStarted) -> None:
        self.started = started
        self.arguments: list[str] = []


class ReplyWriter:
    """Give it the events of one reply in their order, up to `Finished`.

    A function call is one part with all its arguments. Calls may come by turns, so they wait, and what comes after the first of
    them too, until the end. A piece of reasoning waits for the event after it, as its signature belongs on it: clients lose parts
    that have nothing but a signature.
    """

    def __init__(self, about: About) -> None:
        self._about = about
        self._envelope: dict[str, Json] = {}
        self._thought = ""
        self._signature: str | None = None
        self._calls: dict[int, _OpenCall] = {}
        self._waiting: list[_Part | _OpenCall] = []
        self._texts: list[str] = []
        self._citations: list[Citation] = []

    def write(self, event: Event) -> dict[str, Json] | None:
        """The `GenerateContentResponse` that tells of `event`, if there is something to tell now; after `Finished` the last."""
        match event:
            case Started():
                self._envelope = self._write_envelope(event)
            case Finished():
                return self._finish(event)
            case ToolCallStarted():
                told = self._tell(self._held())
                self._calls[event.index] = call = _OpenCall(event)
                self._waiting.append(call)
                return told
            case ToolCallDelta(index, arguments):
                self._calls[index].arguments.append(arguments)
            case Citation():
                self._citations.append(event)
            case _:
                return self._tell(self._take(event))
        return None

    def _tell(self, parts: list[_Part]) -> dict[str, Json] | None:
        if not self._calls:
            return self._write_chunk(parts, {}) if parts else None
        self._waiting += parts
        return None

    def _take(self, event: Event) -> list[_Part]:
        match event:
            case TextDelta(text) | RefusalDelta(text) if text:
                self._texts.append(text)
                return self._shown({"text": text})
            case ImageMade(image):
                return self._shown(_write_image(image))
            case ReasoningDelta(text) if text:
                parts = self._held()
                self._thought = text
                return parts
            case ReasoningSigned(signature, redacted=redacted):
                return self._sign(write_signature(signature, redacted=redacted), closing=not redacted)
        return []

    def _shown(self, part: _Part) -> list[_Part]:
        """A part of the answer, with the signature that has no other place."""
        if self._signature is not None:
            part["thoughtSignature"], self._signature = self._signature, None
        return [*self._held(), part]

    def _sign(self, signature: str, *, closing: bool) -> list[_Part]:
        if closing and self._thought:
            thought, self._thought = self._thought, ""
            return [{"text": thought, "thought": True, "thoughtSignature": signature}]
        parts = self._held()
        self._signature = signature
        return parts

    def _held(self) -> list[_Part]:
        """What was held back, of which there is one thing at most."""
        parts: list[_Part] = []
        if self._thought:
            parts.append({"text": self._thought, "thought": True})
        if self._signature is not None:
            parts.append({"text": "", "thoughtSignature": self._signature})
        self._thought, self._signature = "", None
        return parts

    def _finish(self, finished: Finished) -> dict[str, Json]:
        reason = write_reason(finished.reason)
        parts: list[_Part] = []
        for item in [*self._waiting, *self._held()]:
            if not isinstance(item, _OpenCall):
                parts.append(item)
            elif (call := _write_call(item)) is not None:
                parts.append(call)
            elif reason == "STOP":
                reason = MALFORMED_CALL  # what Google says of arguments that are no JSON
        candidate: dict[str, Json] = {"finishReason": reason}
        if self._citations:
            candidate["groundingMetadata"] = write_grounding(self._citations, "".join(self._texts))
        # Clients look for the text of the first part without asking whether there is one.
        chunk = self._write_chunk(parts or [{"text": ""}], candidate)
        if finished.usage is not None and finished.usage != NO_USAGE:
            chunk["usageMetadata"] = write_usage(finished.usage)
        return chunk

    def _write_chunk(self, parts: list[_Part], candidate: dict[str, Json]) -> dict[str, Json]:
        content = {"parts": parts, "role": "model"}
        return {"candidates": [{"content": content, **candidate, "index": 0}], **self._envelope}

    def _write_envelope(self, started: Started) -> dict[str, Json]:
        created = self._about.created if started.created is None else started.created
        moment = datetime.fromtimestamp(min(max(created, 0), _LAST_SECOND), UTC)
        return {
            "modelVersion": started.model or self._about.model,
            "responseId": started.id or self._about.call_id,
            "createTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def _write_call(call: _OpenCall) -> _Part | None:
    """The part of a call, or None where its arguments are no JSON object."""
    try:
        arguments = loads("".join(call.arguments) or "{}")
    except InvalidJson:
        return None
    if not isinstance(arguments, dict):
        return None
    signature = call.started.signature
    return {
        "functionCall": {"id": call.started.id, "name": call.started.name, "args": arguments},
        "thoughtSignature": NO_SIGNATURE if signature is None else write_signature(signature),
    }


def _write_image(image: Image) -> _Part:
    if image.data is None:
        return {"fileData": {"mimeType": image.media_type or "image/png", "fileUri": image.url or ""}}
    return {"inlineData": {"mimeType": image.media_type or "image/png", "data": image.data}}
