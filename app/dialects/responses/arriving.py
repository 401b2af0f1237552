"""The items of a response as they arrive: in pieces, whole, or both.

Providers differ in what they stream: OpenAI sends pieces and then the whole, others the whole only. So what comes whole is
compared with what has come of it, and gives only what is missing.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from app.core.chat import Image, Signature
from app.core.events import (
    Citation,
    Event,
    ImageMade,
    ReasoningDelta,
    ReasoningSigned,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from app.core.jsonio import Json
from app.dialects.responses.sealed import NAME
from app.dialects.signatures import UNSIGNED

Fields = Mapping[str, Json]
Events = Iterator[Event]

_IMAGE_TYPES = {"svg": "image/svg+xml"}
_BLANK_LINE = "\n\n"


def as_object(value: Json) -> Fields:
    """`value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """`value` where it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(fields: Fields, key: str) -> str | None:
    """The string `key`, where it is one."""
    value = fields.get(key)
    return value if isinstance(value, str) else None


@dataclass(slots=True)
class Tally:
    """What all items of one response come to up to now.

    Attributes:
        refused: the model refused.
        calls: how many functions it called.
        characters: length of its answer.
        images: how many pictures it made.
        searches: how often it searched the web.
    """

    refused: bool = False
    calls: int = 0
    characters: int = 0
    images: int = 0
    searches: int = 0


class Item(Protocol):
    """What has come of one item."""

    def __init__(self, tally: Tally) -> None: ...

    def begin(self, item: Fields) -> Events:
        """The item as it is announced, before its content."""

    def end(self, item: Fields) -> Events:
        """What the whole item has beyond what has come."""


class MessageItem:
    """A message: texts and refusals, by their `content_index`."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._texts: dict[Json, _AnswerText] = {}
        self._refusals: dict[Json, _Growing] = {}

    def begin(self, item: Fields) -> Events:
        """Nothing."""
        yield from ()

    def end(self, item: Fields) -> Events:
        """What is missing of its parts."""
        for index, part in enumerate(as_list(item.get("content"))):
            yield from self.end_part(index, as_object(part))

    def end_part(self, index: Json, part: Fields) -> Events:
        """What is missing of one part."""
        match part.get("type"):
            case "refusal":
                yield from self.end_refusal(index, part.get("refusal"))
            case "output_text" | "text":
                yield from self.end_text(index, part.get("text"))
                for annotation in as_list(part.get("annotations"))[self._text(index).annotations :]:
                    yield from self.annotate(index, annotation)

    def add_text(self, index: Json, delta: str) -> Events:
        """More of a text."""
        return self._say(self._text(index).more.add(delta))

    def end_text(self, index: Json, whole: Json) -> Events:
        """What is missing of a text."""
        return self._say(self._text(index).more.rest(whole))

    def add_refusal(self, index: Json, delta: str) -> Events:
        """More of a refusal."""
        return self.refuse(self._refusal(index).add(delta))

    def end_refusal(self, index: Json, whole: Json) -> Events:
        """What is missing of a refusal."""
        return self.refuse(self._refusal(index).rest(whole))

    def refuse(self, text: str) -> Events:
        """A refusal, be it without words."""
        self._tally.refused = True
        if text:
            yield RefusalDelta(text)

    def annotate(self, index: Json, annotation: Json) -> Events:
        """A source. What has no address, such as a provider's file, is none that a client could look up."""
        text = self._text(index)
        text.annotations += 1
        fields = as_object(annotation)
        url = fields.get("url")
        if fields.get("type") != "url_citation" or not isinstance(url, str):
            return
        start, end = _offset(fields, "start_index"), _offset(fields, "end_index")
        if start is None or end is None or start == end:
            start = end = None
        else:
            start, end = start + text.offset, end + text.offset
        yield Citation(url, text_of(fields, "title") or None, text_of(fields, "content"), start, end)

    def _say(self, text: str) -> Events:
        if text:
            self._tally.characters += len(text)
            yield TextDelta(text)

    def _text(self, index: Json) -> "_AnswerText":
        if index not in self._texts:
            self._texts[index] = _AnswerText(self._tally.characters)
        return self._texts[index]

    def _refusal(self, index: Json) -> "_Growing":
        return self._refusals.setdefault(index, _Growing())


class ReasoningItem:
    """A piece of reasoning: the parts of its summary or of the thing itself, with a blank line between two."""

    def __init__(self, tally: Tally) -> None:
        self._id: str | None = None
        self._texts: dict[tuple[str, Json], _Growing] = {}
        self._last: tuple[str, Json] | None = None
        self._signed = False

    def begin(self, item: Fields) -> Events:
        """Its id. What it may already have of `encrypted_content` is not the whole."""
        self._id = self._id or text_of(item, "id")
        yield from ()

    def end(self, item: Fields) -> Events:
        """What is missing of its parts, and its seal."""
        self._id = self._id or text_of(item, "id")
        for kind in ("summary", "content"):
            for index, part in enumerate(as_list(item.get(kind))):
                yield from self.end_text(kind, index, as_object(part).get("text"))
        seal = item.get("encrypted_content")
        if isinstance(seal, str) and seal not in ("", UNSIGNED) and not self._signed:
            self._signed = True
            yield ReasoningSigned(Signature(seal, NAME), id=self._id)

    def add_text(self, kind: str, index: Json, delta: str, item_id: Json) -> Events:
        """More of a part; `kind` is `summary` or `content`."""
        if self._id is None and isinstance(item_id, str):
            self._id = item_id
        return self._say((kind, index), self._text((kind, index)).add(delta))

    def end_text(self, kind: str, index: Json, whole: Json) -> Events:
        """What is missing of a part."""
        return self._say((kind, index), self._text((kind, index)).rest(whole))

    def _say(self, place: tuple[str, Json], text: str) -> Events:
        if text:
            apart = self._last is not None and self._last != place
            self._last = place
            yield ReasoningDelta(_BLANK_LINE + text if apart else text, self._id)

    def _text(self, place: tuple[str, Json]) -> "_Growing":
        return self._texts.setdefault(place, _Growing())


class CallItem:
    """The call of a function. Its arguments wait until its name is known."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._index: int | None = None
        self._arguments = _Growing()
        self._waiting = ""

    def begin(self, item: Fields) -> Events:
        """The call, where its name is known."""
        if self._index is None and text_of(item, "name"):
            yield from self._start(item)

    def end(self, item: Fields) -> Events:
        """What is missing of it."""
        if self._index is None:
            yield from self._start(item)
        yield from self.end_arguments(item.get("arguments"))

    def add_arguments(self, delta: str) -> Events:
        """More of the arguments."""
        return self._say(self._arguments.add(delta))

    def end_arguments(self, whole: Json) -> Events:
        """What is missing of the arguments."""
        return self._say(self._arguments.rest(whole))

    def _start(self, item: Fields) -> Events:
        self._index = self._tally.calls
        self._tally.calls += 1
        call_id = text_of(item, "call_id") or text_of(item, "id") or "call_" + secrets.token_hex(12)
        yield ToolCallStarted(self._index, call_id, text_of(item, "name") or "")
        yield from self._say(self._waiting)

    def _say(self, text: str) -> Events:
        if self._index is None:
            self._waiting += text
        elif text:
            yield ToolCallDelta(self._index, text)


class ImageItem:
    """A picture that the model made; a preview does not count."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._made = False

    def begin(self, item: Fields) -> Events:
        """Nothing."""
        yield from ()

    def end(self, item: Fields) -> Events:
        """The picture."""
        data = text_of(item, "result")
        if data and not self._made:
            self._made = True
            self._tally.images += 1
            form = text_of(item, "output_format") or "png"
            yield ImageMade(Image(data=data, media_type=_IMAGE_TYPES.get(form, f"image/{form}")))


class SearchItem:
    """A call of the provider's search of the web. Pages that it opens, or looks through, are charged by nobody."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._counted = False

    def begin(self, item: Fields) -> Events:
        """Nothing."""
        yield from ()

    def end(self, item: Fields) -> Events:
        """Nothing; it is counted."""
        action = as_object(item.get("action"))
        if not self._counted and action.get("type", "search") == "search" and item.get("status") != "failed":
            self._counted = True
            self._tally.searches += 1
        yield from ()


class _Growing:
    """A text that comes in pieces, and perhaps once more as a whole."""

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, piece: str) -> str:
        """`piece`, which is new."""
        self._pieces.append(piece)
        return piece

    def rest(self, whole: Json) -> str:
        """What `whole` has beyond the pieces; nothing where it is not what they were the beginning of."""
        if not isinstance(whole, str):
            return ""
        known = "".join(self._pieces)
        return self.add(whole[len(known) :]) if len(whole) > len(known) and whole.startswith(known) else ""


class _AnswerText:
    """A text of the answer, which begins `offset` characters after the answer does."""

    def __init__(self, offset: int) -> None:
        self.more = _Growing()
        self.offset = offset
        self.annotations = 0


def _offset(fields: Fields, key: str) -> int | None:
    value = fields.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
