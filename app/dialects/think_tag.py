"""`<think>…</think>` at the beginning of an answer: reasoning, where a server does not take it out by itself."""

from app.core.events import Event, ReasoningDelta, TextDelta

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkTag:
    """Feed it the text of an answer in any pieces; it tells reasoning from text. Later tags are text.

    White space around the tags belongs to neither side.

    Attributes:
        over: the beginning is behind: all further text is text, and need not be fed.
    """

    def __init__(self) -> None:
        self.over = False
        self._held = ""
        self._read = self._read_before
        self._told = False

    def feed(self, text: str) -> list[Event]:
        """What is certain now."""
        self._held += text
        return self._read()

    def close(self) -> list[Event]:
        """What was held back, now that no more text comes, or none that is to be told apart."""
        self.over = True
        held, self._held = self._held, ""
        if self._read == self._read_before:
            return [TextDelta(held)] if held else []
        held = held.rstrip() if self._told else held.strip()
        return [ReasoningDelta(held)] if held else []

    def _read_before(self) -> list[Event]:
        start = self._held.lstrip()
        if not start.startswith(_OPEN):
            return [] if _OPEN.startswith(start) else self.close()
        self._held = start.removeprefix(_OPEN)
        self._read = self._read_inside
        return self._read()

    def _read_inside(self) -> list[Event]:
        inside, tag, after = self._held.partition(_CLOSE)
        if tag:
            sure, self._held = inside.rstrip(), after
            self._read = self._read_after
        else:
            begun = next(size for size in range(len(_CLOSE) - 1, -1, -1) if inside.endswith(_CLOSE[:size]))
            sure = inside[: len(inside) - begun].rstrip()
            self._held = inside[len(sure) :]
        if not self._told:
            sure = sure.lstrip()
        self._told = self._told or bool(sure)
        events: list[Event] = [ReasoningDelta(sure)] if sure else []
        return events + self._read() if tag else events

    def _read_after(self) -> list[Event]:
        text, self._held = self._held.lstrip(), ""
        self.over = bool(text)
        return [TextDelta(text)] if text else []
