"""What a stream tells its client of its cost: a comment behind its end, or a field beside the usage in its chunks."""

from collections.abc import Callable
from decimal import Decimal

from app.core.call import Call
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.receipt import Bill
from app.dialects.framing import EventBuffer, comment, read_data, split_events
from app.dialects.ollama.dialect import OLLAMA
from app.dialects.ollama.lines import LineBuffer
from app.dialects.registry import DIALECTS

_EVENT_STREAM = "text/event-stream"
_USAGE_KEYS = ("usage", "usageMetadata")


def open_receipt(
    call: Call, media_type: str, bill: Callable[[], Bill]
) -> "CommentAtEnd | CostInEvents | CostInLines | None":
    """What tells of the cost of `call` in a stream of that type; None where it has no place for it."""
    dialect, in_chunks = DIALECTS.get(call.dialect), call.receipt == "chunk"
    if media_type.startswith(_EVENT_STREAM):
        comment_at_end = CommentAtEnd(bill) if dialect is None or dialect.has_comments else None
        return CostInEvents(bill, comment_at_end) if in_chunks else comment_at_end
    if in_chunks and media_type == OLLAMA.stream_type:
        return CostInLines(bill)
    return None


class CommentAtEnd:
    """A comment behind all events. Clients that stop at the dialect's own end never see it, and others skip it."""

    __slots__ = ("_bill",)

    in_chunks = False

    def __init__(self, bill: Callable[[], Bill]) -> None:
        self._bill = bill

    def feed(self, data: bytes) -> bytes:
        """`data`."""
        return data

    def close(self) -> bytes:
        """The comment, where there is something to tell."""
        line = self._bill().line()
        return comment(line.encode()) if line else b""


class CostInEvents:
    """`cost` in each usage object of an event stream, the last of which tells all. Where there is none: `otherwise`."""

    in_chunks = True

    def __init__(self, bill: Callable[[], Bill], otherwise: CommentAtEnd | None) -> None:
        self._bill = bill
        self._otherwise = otherwise
        self._buffer = EventBuffer()
        self._told = False

    def feed(self, data: bytes) -> bytes:
        """The events that `data` completes."""
        return self._tell(self._buffer.feed(data))

    def close(self) -> bytes:
        """What is left."""
        rest = self._tell(self._buffer.rest())
        return rest if self._told or self._otherwise is None else rest + self._otherwise.close()

    def _tell(self, block: bytes) -> bytes:
        if b'"usage' not in block:
            return block
        return b"".join([self._tell_in(event) if b'"usage' in event else event for event in split_events(block)])

    def _tell_in(self, event: bytes) -> bytes:
        data = read_data(event)
        try:
            document = None if data is None else loads(data)
        except InvalidJson:
            return event
        if data is None or not isinstance(document, dict) or not (usages := _find_usages(document)):
            return event
        self._told = True
        cost = self._bill().cost
        if cost is None or not event.count(data):  # data of several lines stays as it is
            return event
        for usage in usages:
            _put(usage, cost)
        return event.replace(data, dumps(document), 1)


class CostInLines:
    """`cost` beside the counters in the last line of a stream of Ollama's API."""

    in_chunks = True

    def __init__(self, bill: Callable[[], Bill]) -> None:
        self._bill = bill
        self._buffer = LineBuffer()

    def feed(self, data: bytes) -> bytes:
        """The lines that `data` completes."""
        return b"".join([self._tell_in(line) + b"\n" for line in self._buffer.feed(data)])

    def close(self) -> bytes:
        """What is left."""
        rest = self._buffer.rest()
        return self._tell_in(rest) if rest else b""

    def _tell_in(self, line: bytes) -> bytes:
        if b'"done"' not in line:
            return line
        try:
            document = loads(line)
        except InvalidJson:
            return line
        if not isinstance(document, dict) or document.get("done") is not True:
            return line
        if (cost := self._bill().cost) is None:
            return line
        _put(document, cost)
        return dumps(document)


def _find_usages(document: dict[str, Json]) -> list[dict[str, Json]]:
    """The usage objects of an event: its own, that of the response that it tells of, or of the message that it begins."""
    holders = (document, document.get("response"), document.get("message"))
    found = [holder.get(key) for holder in holders if isinstance(holder, dict) for key in _USAGE_KEYS]
    return [usage for usage in found if isinstance(usage, dict)]


def _put(usage: dict[str, Json], cost: Decimal) -> None:
    """Perplexity's own is an object, which says more."""
    if not isinstance(usage.get("cost"), dict):
        usage["cost"] = float(cost)
