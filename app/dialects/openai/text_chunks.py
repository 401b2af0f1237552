"""What providers say in legacy completions, as events. To their clients it passes as it came, so that all this is for is metering."""

from app.core.errors import UpstreamInvalid
from app.core.events import Event, Finished, Started, TextDelta
from app.core.jsonio import Json
from app.core.usage import Usage
from app.dialects.openai.failures import read_failure
from app.dialects.openai.usage import read_usage


class TextChunks:
    """Takes chunk after chunk; the texts of all choices count, for all of them are paid for. See `events.Chunks`."""

    def __init__(self) -> None:
        self.opened = False
        self.finished = False
        self._usage: Json = None
        self._tier: Json = None

    def take(self, chunk: dict[str, Json]) -> list[Event]:
        """The events of one chunk, or of a whole reply but for its end.

        Raises:
            UpstreamError: it tells of an error.
            UpstreamInvalid: its choices are no list.
        """
        if usage := chunk.get("usage"):
            self._usage, self._tier = usage, chunk.get("service_tier")
        if chunk.get("error"):
            raise read_failure(chunk, {})
        choices = chunk.get("choices") or []
        if not isinstance(choices, list):
            raise UpstreamInvalid("The provider sent a chunk whose choices are no list.")
        events: list[Event] = []
        for choice in choices:
            if isinstance(choice, dict):
                self._take_choice(choice, events)
        return events

    def close(self) -> list[Event]:
        """The end."""
        return [Finished("stop", self.counted())]

    def counted(self) -> Usage | None:
        """What the provider has counted up to now."""
        return read_usage(self._usage, self._tier)

    def _take_choice(self, choice: dict[str, Json], events: list[Event]) -> None:
        if not self.opened:
            self.opened = True
            events.append(Started())
        text = choice.get("text")
        if text and isinstance(text, str):
            events.append(TextDelta(text))
        self.finished = self.finished or bool(choice.get("finish_reason"))


def read_whole(reply: Json) -> list[Event]:
    """The events of a whole reply.

    Raises:
        UpstreamInvalid: it is none.
        UpstreamError: it is an error that came with status 200.
    """
    if not isinstance(reply, dict):
        raise UpstreamInvalid("The provider's reply is no JSON object.")
    chunks = TextChunks()
    events = chunks.take(reply)
    if not chunks.opened:
        raise UpstreamInvalid("The provider's reply has no choice.")
    return events + chunks.close()
