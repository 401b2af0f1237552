"""Tool calls as providers report them: whole or in pieces, with or without an index, an id at once or late."""

from dataclasses import dataclass, field

from app.core.chat import Reasoning, Signature
from app.core.events import Event, ToolCallDelta, ToolCallStarted
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.dialects.openai.call_signature import make_call_id, read_call_signature


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    signature: Signature | None = None
    number: int | None = None  # the `index` of its events, once it is started

    def is_complete(self) -> bool:
        """Whether its arguments are an object already, so that no more can follow."""
        try:
            return isinstance(loads("".join(self.arguments)), dict)
        except InvalidJson:
            return False


class CallReader:
    """Reads the `tool_calls` of deltas, or of one whole message.

    A call is told of as soon as its id and its name are known. One that gets no id is given one of ours, when the next begins or
    the answer ends. One without a name is none, and entries that are no function's are left out.

    Attributes:
        any: a call was told of.
    """

    def __init__(self) -> None:
        self.any = False
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}
        self._waiting: list[_Call] = []
        self._proofs: dict[str | None, Signature] = {}
        self._started = 0
        self._legacy_id = ""

    def take_proofs(self, pieces: list[Reasoning], entries: Json) -> list[Reasoning]:
        """`pieces` without the proofs of the calls in `entries`, which are kept for them: so OpenRouter tells Gemini's."""
        if not pieces or not isinstance(entries, list):
            return pieces
        ids = {_text(entry.get("id")) for entry in entries if isinstance(entry, dict)}
        rest = []
        for piece in pieces:
            if piece.id in ids and piece.signature is not None and not piece.text:
                self._proofs[piece.id] = piece.signature
            else:
                rest.append(piece)
        return rest

    def read(self, entries: Json, *, whole: bool) -> list[Event]:
        """The events of the entries of one delta; or, each a call of its own, of a `whole` message."""
        events: list[Event] = []
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict):
                continue
            function = entry.get("function", {})
            if isinstance(function, dict) and "custom" not in entry:
                index = entry.get("index")
                index = index if isinstance(index, int) else None
                self._take(index, _text(entry.get("id")), function, read_call_signature(entry), events, whole=whole)
        return events

    def read_legacy(self, function: Json) -> list[Event]:
        """The events of a `function_call`, of which an answer has one at most, without an id."""
        events: list[Event] = []
        if isinstance(function, dict):
            self._legacy_id = self._legacy_id or make_call_id()
            self._take(None, self._legacy_id, function, None, events, whole=False)
        return events

    def close(self) -> list[Event]:
        """The events of calls that were still waiting for an id."""
        events: list[Event] = []
        self._settle(events)
        return events

    def _take(
        self,
        index: int | None,
        call_id: str,
        function: dict[str, Json],
        signature: Signature | None,
        events: list[Event],
        *,
        whole: bool,
    ) -> None:
        name, arguments = _text(function.get("name")), _arguments(function.get("arguments"))
        call = None if whole else self._find(index, call_id)
        if call is None or _is_another(call, call_id, name, arguments):
            self._settle(events)
            call = _Call()
            self._calls.append(call)
            self._waiting.append(call)
        if index is not None:
            self._at[index] = call
        call.id = call.id or call_id
        call.name = call.name or name
        call.signature = call.signature or signature
        if arguments:
            call.arguments.append(arguments)
        if call.number is not None:
            if arguments:
                events.append(ToolCallDelta(call.number, arguments))
        elif call.id and call.name:
            self._start(call, events)

    def _find(self, index: int | None, call_id: str) -> _Call | None:
        """The call that an entry goes on with, as far as index and id tell."""
        if index is not None:
            return self._at.get(index)
        last = self._calls[-1] if self._calls else None
        if not call_id or (last is not None and not last.id):
            return last
        return next((call for call in self._calls if call.id == call_id), None)

    def _settle(self, events: list[Event]) -> None:
        for call in self._waiting:
            if call.number is None and call.name:
                call.id = call.id or make_call_id()
                self._start(call, events)
        self._waiting.clear()

    def _start(self, call: _Call, events: list[Event]) -> None:
        self.any = True
        call.number = self._started
        self._started += 1
        events.append(ToolCallStarted(call.number, call.id, call.name, call.signature or self._proofs.get(call.id)))
        if call.arguments:
            events.append(ToolCallDelta(call.number, "".join(call.arguments)))


def _is_another(call: _Call, call_id: str, name: str, arguments: str) -> bool:
    """Whether an entry that seems to go on with `call` begins a new one: some count none of their calls further than 0."""
    if not name or not call.name:
        return False
    if call_id and call.id:
        return call_id != call.id
    return name != call.name or (bool(arguments) and call.is_complete())


def _arguments(value: Json) -> str:
    """The text of the arguments; some servers send the object itself."""
    return dumps(value).decode() if isinstance(value, dict) else _text(value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""
