"""The items of a reply while they are being written: each announces itself, grows, and is told once more as a whole."""

from typing import Protocol

from app.core.events import Citation, ToolCallStarted
from app.core.jsonio import InvalidJson, Json, loads
from app.dialects.signatures import UNSIGNED

Object = dict[str, Json]


class Teller(Protocol):
    """Who tells the client of an item.

    Attributes:
        characters: length of the answer up to now.
    """

    characters: int

    def say(self, kind: str, **fields: Json) -> None:
        """One event."""

    def take_place(self, prefix: str, given: str | None = None) -> tuple[int, str]:
        """The place of a new item in the output, and its id."""

    def keep(self, place: int, item: Object) -> None:
        """The item is whole."""


class OpenItem(Protocol):
    """An item that is not whole yet."""

    def end(self, status: str) -> None:
        """Tell the whole; `status` is `completed` or `incomplete`."""


class OpenMessage:
    """A message, of texts and refusals."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._place, self._id = teller.take_place("msg")
        self._content: list[Object] = []
        self._kind: str | None = None
        self._pieces: list[str] = []
        self._sources: list[Json] = []
        self._offset = 0
        teller.say("response.output_item.added", output_index=self._place, item=self._item("in_progress"))

    def add_text(self, text: str) -> None:
        """More of the answer."""
        self._part("output_text")
        self._pieces.append(text)
        self._say("response.output_text.delta", delta=text, logprobs=[])

    def add_refusal(self, text: str) -> None:
        """More of a refusal, which may be without words."""
        self._part("refusal")
        if text:
            self._pieces.append(text)
            self._say("response.refusal.delta", delta=text)

    def cite(self, source: Citation) -> None:
        """A source of the text."""
        self._part("output_text")
        annotation = self._annotation(source)
        self._say("response.output_text.annotation.added", annotation_index=len(self._sources), annotation=annotation)
        self._sources.append(annotation)

    def end(self, status: str) -> None:
        """The whole message."""
        self._end_part()
        self._teller.keep(self._place, self._item(status))

    def _part(self, kind: str) -> None:
        if self._kind == kind:
            return
        self._end_part()
        self._kind, self._pieces, self._sources = kind, [], []
        self._offset = self._teller.characters
        self._say("response.content_part.added", part=self._written())

    def _end_part(self) -> None:
        if self._kind is None:
            return
        part = self._written()
        if self._kind == "refusal":
            self._say("response.refusal.done", refusal=part["refusal"])
        else:
            self._say("response.output_text.done", text=part["text"], logprobs=[])
        self._say("response.content_part.done", part=part)
        self._content.append(part)
        self._kind = None

    def _written(self) -> Object:
        said = "".join(self._pieces)
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": said}
        return {"type": "output_text", "text": said, "annotations": self._sources.copy(), "logprobs": []}

    def _annotation(self, source: Citation) -> Object:
        """The range of a source counts from the beginning of its part; an empty one says that there is none."""
        start, end = source.start, source.end
        ranged = start is not None and end is not None
        return {
            "type": "url_citation",
            "url": source.url,
            "title": source.title or "",
            "start_index": max(start - self._offset, 0) if start is not None and ranged else 0,
            "end_index": max(end - self._offset, 0) if end is not None and ranged else 0,
            # OpenRouter's word for what is quoted; OpenAI has none.
            **({} if source.text is None else {"content": source.text}),
        }

    def _say(self, kind: str, **fields: Json) -> None:
        place = {"item_id": self._id, "output_index": self._place, "content_index": len(self._content)}
        self._teller.say(kind, **place, **fields)

    def _item(self, status: str) -> Object:
        return {
            "type": "message",
            "id": self._id,
            "status": status,
            "role": "assistant",
            "content": self._content.copy(),
        }


class OpenReasoning:
    """A piece of reasoning: its text as one summary, and what stands in `encrypted_content`.

    Attributes:
        given: the id that the provider gave it.
        sealed: the `encrypted_content`.
    """

    def __init__(self, teller: Teller, given: str | None, sealed: str | None = None) -> None:
        self.given = given
        self.sealed = sealed
        self._teller = teller
        self._place, self._id = teller.take_place("rs", given)
        self._pieces: list[str] = []
        teller.say("response.output_item.added", output_index=self._place, item=self._item([]))

    def add(self, text: str) -> None:
        """More of it."""
        if not self._pieces:
            self._say("response.reasoning_summary_part.added", part={"type": "summary_text", "text": ""})
        self._pieces.append(text)
        self._say("response.reasoning_summary_text.delta", delta=text)

    def end(self, status: str) -> None:
        """The whole of it."""
        text = "".join(self._pieces)
        part = {"type": "summary_text", "text": text}
        if text:
            self._say("response.reasoning_summary_text.done", text=text)
            self._say("response.reasoning_summary_part.done", part=part)
        seal = {"encrypted_content": self.sealed or UNSIGNED}
        self._teller.keep(self._place, self._item([part] if text else []) | seal)

    def _say(self, kind: str, **fields: Json) -> None:
        self._teller.say(kind, item_id=self._id, output_index=self._place, summary_index=0, **fields)

    def _item(self, summary: list[Json]) -> Object:
        return {"type": "reasoning", "id": self._id, "summary": summary}


class OpenCall:
    """The call of a function."""

    def __init__(self, teller: Teller, started: ToolCallStarted) -> None:
        self._teller = teller
        self._started = started
        self._place, self._id = teller.take_place("fc")
        self._pieces: list[str] = []
        teller.say("response.output_item.added", output_index=self._place, item=self._item("", "in_progress"))

    def add(self, arguments: str) -> None:
        """More of its arguments."""
        self._pieces.append(arguments)
        self._say("response.function_call_arguments.delta", delta=arguments)

    def is_whole(self) -> bool:
        """Whether its arguments are an object, so that nothing can follow."""
        try:
            return isinstance(loads("".join(self._pieces)), dict)
        except InvalidJson:
            return False

    def end(self, status: str) -> None:
        """The whole call; one without arguments has an empty object."""
        if not self._pieces:
            self.add("{}")
        arguments = "".join(self._pieces)
        self._say("response.function_call_arguments.done", name=self._started.name, arguments=arguments)
        self._teller.keep(self._place, self._item(arguments, "completed" if self.is_whole() else status))

    def _say(self, kind: str, **fields: Json) -> None:
        self._teller.say(kind, item_id=self._id, output_index=self._place, **fields)

    def _item(self, arguments: str, status: str) -> Object:
        return {
            "type": "function_call",
            "id": self._id,
            "status": status,
            "call_id": self._started.id,
            "name": self._started.name,
            "arguments": arguments,
        }
