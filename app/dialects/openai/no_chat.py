"""What calls of OpenAI's API use that are neither chats nor embeddings: pictures, speech, transcripts, moderations."""

import re
from collections.abc import Callable, Mapping

from app.core.jsonio import Json
from app.core.usage import NO_USAGE, Usage
from app.dialects.openai.usage import estimate_tokens, read_cost
from app.dialects.plain import Plain, last_object, read_plain_usage
from app.dialects.reported import read_count

# What a picture comes under in a whole reply, and what ends one in a stream. Quotes within texts are escaped, so that no
# text can hold these.
_PICTURES = (b'"b64_json"', b'"url"')
_LAST_OF_PICTURE = b'"image_generation.completed"'
_DELTA = b'"transcript.text.delta"'
_LONGEST_MARK = len(_LAST_OF_PICTURE)
_HEAD_BYTES = 1024
_DURATION = re.compile(rb'"duration"\s*:\s*"?(\d+(?:\.\d+)?)')


class _Counting(Plain):
    """Passes a reply and counts the marks in it, in whatever pieces it comes."""

    def __init__(self, payload: Mapping[str, Json], *marks: bytes) -> None:
        super().__init__()
        self._payload = payload
        self._counts = dict.fromkeys(marks, 0)
        self._before = b""

    def feed(self, data: bytes) -> bytes:
        """`data`."""
        seen = self._before + data
        for mark in self._counts:
            # What ends within the piece before has been counted with it.
            self._counts[mark] += seen.count(mark, max(len(self._before) - len(mark) + 1, 0))
        self._before = seen[-_LONGEST_MARK:]
        return super().feed(data)


class Pictures(_Counting):
    """/v1/images/generations: tokens where the provider counts them, its own cost, and how many pictures came."""

    def __init__(self, payload: Mapping[str, Json]) -> None:
        super().__init__(payload, *_PICTURES, _LAST_OF_PICTURE)

    def read_usage(self) -> Usage:
        """What was used up to now."""
        reported = last_object(self._tail, b'"usage"')
        whole = max(self._counts[mark] for mark in _PICTURES)
        images = self._counts[_LAST_OF_PICTURE] if self._payload.get("stream") is True else whole
        if (used := read_plain_usage(reported, "image_tokens")) is not None:
            return used._replace(images=images)
        cost = read_cost(reported) if isinstance(reported, dict) else None  # xAI counts no tokens
        if images or cost is not None:
            return Usage(images=images, cost=cost)
        return _estimate_text(self._payload.get("prompt"))


class Transcript(_Counting):
    """/v1/audio/transcriptions and translations: tokens or seconds, whichever the provider counts."""

    def __init__(self, payload: Mapping[str, Json]) -> None:
        super().__init__(payload, _DELTA)
        self._head = b""
        self._bytes = 0

    def feed(self, data: bytes) -> bytes:
        """`data`."""
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        self._bytes += len(data)
        return super().feed(data)

    def read_usage(self) -> Usage:
        """What was used up to now."""
        reported = last_object(self._tail, b'"usage"')
        if (used := read_plain_usage(reported)) is not None:
            return used
        if audio_ms := _read_seconds(reported) or self._read_duration():
            return Usage(audio_ms=audio_ms)
        streamed = self._payload.get("stream") is True
        written = self._counts[_DELTA] if streamed else estimate_tokens(self._bytes)
        return Usage(output=written, estimated=True)

    def _read_duration(self) -> int:
        """Verbose transcripts begin with their length in seconds, also of providers that report no usage."""
        found = _DURATION.search(self._head) if self._head.startswith(b"{") else None
        return round(float(found[1]) * 1000) if found and len(found[1]) < 12 else 0


class Speech(Plain):
    """/v1/audio/speech: events tell tokens; of the sound alone the text is known, of which characters are counted."""

    def __init__(self, payload: Mapping[str, Json]) -> None:
        super().__init__()
        self._payload = payload

    def read_usage(self) -> Usage:
        """What was used up to now."""
        used = read_plain_usage(last_object(self._tail, b'"usage"'), "audio_tokens")
        return used or _estimate_text(self._payload.get("input"), self._payload.get("instructions"))


class Moderation(Plain):
    """/v1/moderations: no usage is told."""

    def __init__(self, payload: Mapping[str, Json]) -> None:
        super().__init__(estimate=lambda: _estimate_text(payload.get("input")))


NO_CHATS: Mapping[str, Callable[[Mapping[str, Json]], Plain]] = {
    "openai-images": Pictures,
    "openai-transcriptions": Transcript,
    "openai-translations": Transcript,
    "openai-speech": Speech,
    "openai-moderations": Moderation,
}
"""By their dialects; each reads one reply, and is told the client's payload."""


def _estimate_text(*values: Json) -> Usage:
    characters = sum(map(_count_text, values))
    return Usage(input=estimate_tokens(characters), estimated=True) if characters else NO_USAGE


def _count_text(value: Json) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, list):
        return sum(map(_count_text, value))
    return _count_text(value.get("text")) if isinstance(value, dict) else 0


def _read_seconds(reported: Json) -> int:
    if not isinstance(reported, dict):
        return 0
    seconds = reported.get("seconds")
    if isinstance(seconds, float) and 0 <= seconds < 1e9:
        return round(seconds * 1000)
    return (read_count(seconds) or 0) * 1000
