"""Replies that cross from one dialect to another: read into events, and written anew for the client."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from app.core.errors import UpstreamError
from app.core.events import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    fold,
)
from app.core.jsonio import dumps
from app.core.redaction import redact
from app.core.usage import Usage
from app.dialects.collected import Collected
from app.dialects.dialect import About, Dialect, EventReader, EventWriter, Frame

Estimate = Callable[[int], Usage]
"""Usage for a provider that reports none, by the characters that it wrote."""


class Metered:
    """Counts what the model writes, and knows what was used."""

    __slots__ = ("_characters", "_counted", "_estimate", "_reported")

    def __init__(self, estimate: Estimate, counted: Callable[[], Usage | None] = lambda: None) -> None:
        self._estimate = estimate
        self._counted = counted
        self._characters = 0
        self._reported: Usage | None = None

    def see(self, event: Event) -> Event:
        """Count `event`; a `Finished` without usage gets an estimate."""
        match event:
            case TextDelta(text) | ReasoningDelta(text) | RefusalDelta(text) | ToolCallDelta(arguments=text):
                self._characters += len(text)
            case Finished(reason, usage, stop_sequence):
                self._reported = usage
                return event if usage is not None else Finished(reason, self.usage(), stop_sequence)
        return event

    def usage(self) -> Usage:
        """What was used up to now."""
        if self._reported is not None:
            return self._reported
        estimated = self._estimate(self._characters)
        if (told := self._counted()) is None:
            return estimated
        # The request is counted; how much of the answer was is known to the provider alone.
        untold = max(estimated.completion - told.completion, 0)
        return told._replace(output=told.output + untold, estimated=True)


class Normalising(Protocol):
    """Puts a provider's bytes right before they are read: the pass-through of OpenAI's dialect."""

    def feed(self, data: bytes) -> bytes:
        """The same, put right."""

    def close(self, *, certain: bool) -> bytes:
        """What was missing at the end."""

    def read_usage(self) -> Usage:
        """What was used up to now."""


class NormalisedReader:
    """A reader that gets a provider's bytes put right."""

    def __init__(self, normalising: Normalising, reader: EventReader) -> None:
        self.ended = False
        self._normalising = normalising
        self._reader = reader

    def feed(self, data: bytes) -> list[Event]:
        """As `EventReader.feed`."""
        return self._read(self._normalising.feed(data))

    def close(self, *, certain: bool) -> list[Event]:
        """As `EventReader.close`."""
        events = self._read(self._normalising.close(certain=certain))
        return events if self.ended else events + self._reader.close(certain=certain)

    def counted(self) -> Usage | None:
        """As `EventReader.counted`."""
        used = self._normalising.read_usage()
        return None if used.estimated else used

    def _read(self, data: bytes) -> list[Event]:
        events = self._reader.feed(data) if data else []
        self.ended = self._reader.ended
        return events


class CrossedStream:
    """A provider's stream made into the client's.

    The beginning waits for what comes after it: an error before anything else can still have a status.
    """

    def __init__(
        self, reader: EventReader, writer: EventWriter, *, provider: str, estimate: Estimate, secrets: Sequence[str]
    ) -> None:
        self.ended = False
        self.failure: str | None = None
        self._reader = reader
        self._writer = writer
        self._provider = provider
        self._secrets = secrets
        self._metered = Metered(estimate, reader.counted)
        self._held: Started | None = None
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for what `data` completes.

        Raises:
            UpstreamInvalid: what came is not of the provider's dialect.
            UpstreamError: it is an error, and nothing else has come before.
        """
        return self._write(self._reader.feed(data))

    def close(self, *, certain: bool) -> bytes:
        """The client's last bytes.

        Raises:
            UpstreamCut: the stream has no proper end.
        """
        return b"" if self.ended else self._write(self._reader.close(certain=certain))

    def read_usage(self) -> Usage:
        """What was used up to now."""
        return self._metered.usage()

    def _write(self, events: list[Event]) -> bytes:
        out = b""
        for event in events:
            if isinstance(event, Failed):
                error = as_error(event, self._provider, self._secrets)
                if not self._begun:
                    raise error
                self.failure = error.message
                out += self._writer.write(replace(event, message=error.message, body=None))
            elif self._begun:
                out += self._writer.write(self._metered.see(event))
            elif isinstance(event, Started):
                self._held = event
            else:
                self._begun = True
                out += self._writer.write(self._held or Started()) + self._writer.write(self._metered.see(event))
        self.ended = self._reader.ended
        return out


class PassedStream:
    """A provider's stream for a client of the same dialect: the bytes as they came, read on the side."""

    def __init__(self, reader: EventReader, *, provider: str, estimate: Estimate, secrets: Sequence[str]) -> None:
        self.ended = False
        self.failure: str | None = None
        self._reader = reader
        self._provider = provider
        self._secrets = secrets
        self._metered = Metered(estimate, reader.counted)
        self._held = b""
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """`data`, once it is certain that the reply is more than an error.

        Raises:
            UpstreamInvalid: what came is not of the dialect.
            UpstreamError: it is an error, and nothing else has come before.
        """
        self._see(self._reader.feed(data))
        return self._pass(data)

    def close(self, *, certain: bool) -> bytes:
        """What was held back.

        Raises:
            UpstreamCut: the stream has no proper end.
        """
        if not self.ended:
            self._see(self._reader.close(certain=certain))
        self._begun = True
        return self._pass(b"")

    def read_usage(self) -> Usage:
        """What was used up to now."""
        return self._metered.usage()

    def _see(self, events: list[Event]) -> None:
        for event in events:
            self._metered.see(event)
            if isinstance(event, Failed):
                error = as_error(event, self._provider, self._secrets)
                if not self._begun:
                    raise error
                self.failure = error.message
            elif not isinstance(event, Started):
                self._begun = True
        self.ended = self._reader.ended

    def _pass(self, data: bytes) -> bytes:
        if not self._begun:
            self._held += data
            return b""
        held, self._held = self._held, b""
        data = held + data
        if self.failure is not None:
            for secret in self._secrets:
                data = data.replace(secret.encode(), b"[redacted]")
        return data


class _Whole(Collected):
    """A whole reply that is read into events."""

    def __init__(self, source: Dialect, *, provider: str, estimate: Estimate, secrets: Sequence[str]) -> None:
        super().__init__(provider)
        self._source = source
        self._secrets = secrets
        self._metered = Metered(estimate)

    def read_usage(self) -> Usage:
        """What was used; known after the close."""
        return self._metered.usage()

    def _read(self, body: bytes) -> list[Event]:
        document = self._decoded(body)
        try:
            return [self._metered.see(event) for event in self._source.read_reply(document)]
        except UpstreamError as exc:
            exc.message, exc.body = redact(exc.message, self._secrets), None
            raise


class ReframedStream(PassedStream):
    """A provider's stream for a client of the same dialect that gets it in another form."""

    def __init__(
        self, reader: EventReader, frame: Frame, *, provider: str, estimate: Estimate, secrets: Sequence[str]
    ) -> None:
        super().__init__(reader, provider=provider, estimate=estimate, secrets=secrets)
        self._frame = frame

    def feed(self, data: bytes) -> bytes:
        """As `PassedStream.feed`, in that form."""
        out = self._frame.feed(super().feed(data))
        return out + self._frame.close() if self.ended else out

    def close(self, *, certain: bool) -> bytes:
        """As `PassedStream.close`, in that form."""
        return self._frame.feed(super().close(certain=certain)) + self._frame.close()


class CrossedWhole(_Whole):
    """A provider's whole reply made into the client's."""

    def __init__(
        self,
        source: Dialect,
        goal: Dialect,
        about: About,
        *,
        provider: str,
        estimate: Estimate,
        secrets: Sequence[str],
        normalising: Normalising | None = None,
    ) -> None:
        super().__init__(source, provider=provider, estimate=estimate, secrets=secrets)
        self._goal = goal
        self._about = about
        self._normalising = normalising

    def close(self, *, certain: bool) -> bytes:
        """The client's body.

        Raises:
            UpstreamInvalid: what came is no reply.
            UpstreamError: it is an error that came with status 200.
        """
        body = self._body()
        if self._normalising is not None:
            body = self._normalising.feed(body) + self._normalising.close(certain=certain)
        completion = fold(self._read(body))
        return dumps(self._goal.write_reply(completion, self._about))


class PassedWhole(_Whole):
    """A provider's whole reply for a client of the same dialect: as it came."""

    def close(self, *, certain: bool) -> bytes:
        """The body.

        Raises:
            UpstreamInvalid: it is no reply.
            UpstreamError: it is an error that came with status 200.
        """
        body = self._body()
        self._read(body)
        return body


def as_error(failed: Failed, provider: str, secrets: Sequence[str]) -> UpstreamError:
    """An error inside a stream as the one that it would have been before it, without secrets."""
    return UpstreamError(
        redact(failed.message, secrets) or f"{provider} reported an error.",
        status=failed.status,
        type=failed.type,
        code=failed.code,
    )
