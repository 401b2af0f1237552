"""Replies that this API can express, as hypothesis strategies."""

import json

from hypothesis import strategies as st

from app.core.chat import Image, Signature
from app.core.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from tests.usages import usages_of

WORDS = st.text(min_size=1, max_size=6)
COUNTS = st.integers(0, 1000)
USAGES = st.none() | usages_of(
    input=st.integers(1, 1000), cache_read=COUNTS, cache_write=COUNTS, output=COUNTS, reasoning=COUNTS
)
ARGUMENTS = st.dictionaries(WORDS, st.none() | st.integers() | WORDS | st.lists(WORDS, max_size=2), max_size=2)


@st.composite
def replies(draw: st.DrawFn) -> list[Event]:
    """Events from `Started` to `Finished`, with what the API itself would give: ids, and a reason that fits."""
    making = _Making(draw)
    for kind in draw(st.lists(st.sampled_from(sorted(making.kinds)), max_size=5)):
        making.kinds[kind]()
    reason: FinishReason = "tool_calls" if making.calls else "refusal" if making.refused else "stop"
    cut: list[FinishReason] = ["length", "content_filter", "pause"]
    started = Started("resp_" + draw(WORDS), draw(WORDS), draw(st.integers(0, 1 << 40)))
    return [started, *making.events, Finished(draw(st.sampled_from([reason, reason, *cut])), draw(USAGES))]


class _Making:
    def __init__(self, draw: st.DrawFn) -> None:
        self.events: list[Event] = []
        self.calls = 0
        self.refused = False
        self.kinds = {
            "text": self._text,
            "refusal": self._refusal,
            "reasoning": self._reasoning,
            "calls": self._calls,
            "image": self._image,
            "citation": self._citation,
        }
        self._draw = draw
        self._length = 0
        self._number = 0

    def _text(self) -> None:
        start = self._length
        for piece in self._draw(st.lists(WORDS, min_size=1, max_size=3)):
            self.events.append(TextDelta(piece))
            self._length += len(piece)
        if self._draw(st.booleans()):
            begin = self._draw(st.integers(start, self._length - 1))
            end = self._draw(st.integers(begin + 1, self._length))
            self.events.append(Citation("https://a.example/", None, self._draw(st.none() | WORDS), begin, end))

    def _citation(self) -> None:
        self.events.append(Citation("https://b.example/", self._draw(WORDS)))

    def _refusal(self) -> None:
        self.refused = True
        self.events += [RefusalDelta(piece) for piece in self._draw(st.lists(WORDS, max_size=2)) or ["No"]]

    def _reasoning(self) -> None:
        name = self._name("rs_")
        pieces = self._draw(st.lists(WORDS, max_size=3))
        self.events += [ReasoningDelta(piece, name) for piece in pieces]
        if not pieces or self._draw(st.booleans()):
            self.events.append(ReasoningSigned(Signature(self._draw(WORDS), "responses"), id=name))

    def _calls(self) -> None:
        """One or two calls, whose arguments may come in turns."""
        pieces = []
        for _ in range(self._draw(st.integers(1, 2))):
            arguments = json.dumps(self._draw(ARGUMENTS))
            at = self._draw(st.integers(1, len(arguments) - 1))
            pieces.append((self.calls, arguments[:at], arguments[at:]))
            self.events.append(ToolCallStarted(self.calls, self._name("call_"), self._draw(WORDS)))
            self.calls += 1
        self.events += [ToolCallDelta(index, first) for index, first, _ in pieces]
        self.events += [ToolCallDelta(index, second) for index, _, second in pieces]

    def _image(self) -> None:
        self.events.append(ImageMade(Image(data="aGk=", media_type=self._draw(st.sampled_from(_IMAGE_TYPES)))))

    def _name(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number}"


_IMAGE_TYPES = ["image/png", "image/jpeg", "image/svg+xml"]


@st.composite
def cuts(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """`body` in any pieces."""
    places = sorted(draw(st.sets(st.integers(0, len(body)), max_size=6)))
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
