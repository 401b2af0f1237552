"""The rule of `speed`: a question for updates is answered with what the user's monitors found, any other by Parallel."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from app.core.call import Call
from app.core.naming import normalise

SPEED = "speed"
KIND = "updates"
"""The kind of step by which the rule leads on."""

ReadText = Callable[[Call], str]
"""The last words of the user in what a call asks; empty where it is no chat."""


class UpdateRule:
    """Leads calls for `speed` that ask for updates.

    Attributes:
        names: all by which the target can be asked for.

    Args:
        target: of a built-in provider, in full, which no alias stands for by chance.
        words: of which one, as a whole word in any case, makes a question one for updates.
    """

    def __init__(self, target: str, words: Sequence[str], read_text: ReadText) -> None:
        provider, _, model = target.partition("/")
        self.target = target
        self.names = frozenset({target, f"{provider}-{model}", model})
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, map(_folded, words)))})(?!\w)")
        self._read_text = read_text

    def is_for(self, name: str) -> bool:
        """Whether it may lead calls for that name."""
        return normalise(name) == SPEED

    def asks(self, call: Call) -> bool:
        """Whether the user's last message, as `call` has it, asks for updates."""
        return self._words.search(_folded(self._read_text(call))) is not None

    def may_answer(self, call: Call, names: Iterable[str]) -> bool:
        """Whether updates may be the answer to `call`, where it may be led to these names."""
        wanted = {normalise(name) for name in names}
        return not wanted.isdisjoint(self.names) or (SPEED in wanted and self.asks(call))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())
