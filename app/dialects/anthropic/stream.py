"""A stream of messages' events: a provider's read."""

from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.events import Event
from app.core.jsonio import InvalidJson, loads_repaired
from app.core.usage import Usage
from app.dialects.anthropic.answer import Answer
from app.dialects.framing import EventBuffer, read_data, split_events

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Some providers that speak this dialect beside OpenAI's end both alike.
_DONE = b"[DONE]"


class MessageReader:
    """Reads a provider's stream; see `EventReader`."""

    def __init__(self) -> None:
        self.ended = False
        self._buffer = EventBuffer()
        self._answer = Answer()
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes.

        Raises:
            UpstreamInvalid: what came is no stream of messages.
        """
        return [] if self.ended else self._take(self._buffer.feed(data))

    def close(self, *, certain: bool) -> list[Event]:
        """What is missing after the last bytes.

        Each stream of this API tells why it ended; one that does not has been cut, however properly its bytes ended.

        Raises:
            UpstreamCut: the stream has no proper end.
        """
        if self.ended:
            return []
        rest = self._buffer.rest()
        try:
            events = self._take(rest + b"\n\n") if rest.strip() else []
        except UpstreamInvalid:
            raise UpstreamCut("The provider's stream ended in the midst of an event.") from None
        if self._answer.ended:
            return events
        if not self._answer.stopped:
            raise UpstreamCut("The provider's stream ended before its answer did.")
        self.ended = True
        return events + self._answer.finish()

    def counted(self) -> Usage | None:
        """As `EventReader.counted`: the beginning tells of the request, the end of the answer."""
        return self._answer.counted()

    def _take(self, block: bytes) -> list[Event]:
        if not self._begun and block:
            self._begun = True
            block = block.removeprefix(_BYTE_ORDER_MARK)
        events: list[Event] = []
        for event in split_events(block):
            data = read_data(event)
            if data is None or data.strip() in (b"", _DONE):
                continue
            try:
                document = loads_repaired(data)
            except InvalidJson:
                document = None
            if not isinstance(document, dict):
                raise UpstreamInvalid("The provider sent an event that is no JSON object.")
            events += self._answer.take(document)
            if self._answer.ended:
                self.ended = True
                break
        return events
