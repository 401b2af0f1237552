"""What tells one alert from the others."""

import re

from app.core.frozen import frozen

_TEXT = re.compile(r"([^/]+)/([^/]*)/(.*)/([0-9]{1,3})", re.DOTALL)


@frozen
class AlertKey:
    """What went wrong with which target; the names are empty where it is about the gateway itself.

    Attributes:
        kind: as of a `Failure`, or `unknown_price`, `journal_behind`, `webhook_refused` or `events_given_up`.
        status: the provider's own; 0 where none came.
    """

    kind: str
    provider: str
    model: str
    status: int

    def __str__(self) -> str:
        return f"{self.kind}/{self.provider}/{self.model}/{self.status}"

    @classmethod
    def parse(cls, text: str) -> "AlertKey | None":
        """The key that is written so; None where none is. A model's name may have slashes."""
        match = _TEXT.fullmatch(text)
        return None if match is None else cls(match[1], match[2], match[3], int(match[4]))
