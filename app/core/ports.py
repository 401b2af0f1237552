"""What the pipeline asks of the rest of the gateway."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from app.core.call import Call, Route, Target
from app.core.record import CallRecord
from app.core.reply import Reply

Handler = Callable[[Call], Awaitable[Reply]]
"""Takes a call inward and gives its reply."""


class Provider(Protocol):
    """A place that calls are sent to."""

    async def send(self, call: Call, target: Target) -> Reply:
        """Send `call` and return as soon as the first bytes of the reply are here.

        Raises:
            UpstreamUnreachable: no connection.
            UpstreamTimeout: no byte within the provider's first-byte timeout.
            UpstreamError: the provider answered with an error status.
            UpstreamInvalid: the answer is none.
        """


class Directory(Protocol):
    """Who has which model, answered from memory."""

    def find(self, name: str) -> Route | None:
        """What `name` stands for, as the client spells it."""

    async def settled(self) -> None:
        """Return when every provider has been asked for its models once, or has had its time to answer."""

    def nearest(self, name: str, most: int = 3) -> Sequence[str]:
        """The names most like `name`, best first."""

    def provider(self, key: str) -> Provider:
        """The provider with that key."""


class Recorder(Protocol):
    """Where finished calls go."""

    def record(self, record: CallRecord) -> None:
        """Take one record; never waits."""
