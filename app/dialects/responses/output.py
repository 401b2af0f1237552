"""The output of one response, read into events: each thing once, however often it is told."""

from typing import TypeVar

from app.core.events import Finished, FinishReason, Started
from app.core.jsonio import Json
from app.dialects.responses.arriving import (
    CallItem,
    Events,
    Fields,
    ImageItem,
    Item,
    MessageItem,
    ReasoningItem,
    SearchItem,
    Tally,
    as_list,
    as_object,
    text_of,
)
from app.dialects.responses.usage import usage_of

AnItem = TypeVar("AnItem", bound=Item)

# Other reasons are limits too, but of steps: the answer goes on when it is sent back.
_INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def read_started(response: Fields) -> Started:
    """The beginning of a reply, from its response object."""
    created = response.get("created_at")
    if not isinstance(created, int | float) or not 0 <= created < 1 << 53:
        created = None
    return Started(text_of(response, "id"), text_of(response, "model"), None if created is None else int(created))


class Output:
    """What was read of one response's output. The key of an item is the same in all that is told of it."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._items: dict[tuple[Json, str], Item] = {}

    def message(self, key: Json) -> MessageItem:
        """The message at `key`."""
        return self._find(key, "message", MessageItem)

    def reasoning(self, key: Json) -> ReasoningItem:
        """The reasoning at `key`."""
        return self._find(key, "reasoning", ReasoningItem)

    def call(self, key: Json) -> CallItem:
        """The call of a function at `key`."""
        return self._find(key, "function_call", CallItem)

    def begin_item(self, key: Json, item: Fields) -> Events:
        """An item that is announced: what is known of it already."""
        known = self._known(key, item)
        return iter(()) if known is None else known.begin(item)

    def end_item(self, key: Json, item: Fields) -> Events:
        """A whole item: what has not come of it before. Calls of built-in tools give nothing."""
        known = self._known(key, item)
        return iter(()) if known is None else known.end(item)

    def end(self, response: Fields, *, incomplete: bool = False) -> Events:
        """The whole response: what has not come before, and the end.

        Items are told by their kind and their order: OpenRouter gives them new ids here.
        """
        before: dict[str, list[Json]] = {}
        for key, kind in sorted(self._items, key=_position):
            before.setdefault(kind, []).append(key)
        for index, value in enumerate(as_list(response.get("output"))):
            item = as_object(value)
            keys = before.get(str(item.get("type")))
            yield from self.end_item(keys.pop(0) if keys else ("late", index), item)
        tally = self._tally
        used = usage_of(response, tally.searches, tally.images)
        yield Finished(self._reason(response, incomplete=incomplete), used)

    def _reason(self, response: Fields, *, incomplete: bool) -> FinishReason:
        if incomplete or response.get("status") == "incomplete":
            said = as_object(response.get("incomplete_details")).get("reason")
            return _INCOMPLETE.get(said, "pause") if isinstance(said, str) else "length"
        if self._tally.calls:
            return "tool_calls"
        return "refusal" if self._tally.refused else "stop"

    def _known(self, key: Json, item: Fields) -> Item | None:
        match item.get("type"):
            case "message":
                return self.message(key)
            case "reasoning":
                return self.reasoning(key)
            case "function_call":
                return self.call(key)
            case "image_generation_call":
                return self._find(key, "image_generation_call", ImageItem)
            case "web_search_call":
                return self._find(key, "web_search_call", SearchItem)
        return None

    def _find(self, key: Json, kind: str, of: type[AnItem]) -> AnItem:
        found = self._items.get((key, kind))
        if not isinstance(found, of):
            found = self._items[key, kind] = of(self._tally)
        return found


def _position(key: tuple[Json, str]) -> float:
    """Items with an `output_index` by it, others after them as they came."""
    return key[0] if isinstance(key[0], int) else float("inf")
