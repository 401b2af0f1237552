"""What a dialect is: the functions by which one API's requests, replies, streams and errors are read and written; no I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.core.chat import ChatRequest, Encoded
from app.core.errors import RelayError, UpstreamError
from app.core.events import Completion, Event
from app.core.frozen import frozen
from app.core.jsonio import Json
from app.core.usage import Usage


@frozen
class Asked:
    """The facts of a request that every surface reads before it is known who answers.

    Attributes:
        body: what came: one JSON object, or a form with a file in it.
        payload: the same decoded, of a form what was read of it; to be read only.
        name: what the client put into `model`.
        streamed: the reply is to be a stream.
        wants_usage: the client asked for usage at its end; always True where the dialect has no such question.
        end_user: who the client says that it asks for, as it came.
        tags: those in the body, as they came.
    """

    body: bytes
    payload: Mapping[str, Json]
    name: str
    streamed: bool
    wants_usage: bool
    end_user: str | None = None
    tags: tuple[str, ...] = ()


@frozen
class About:
    """What a written reply has to tell beside what the provider said.

    Attributes:
        call_id: the request id; ids that the provider did not give are made of it.
        model: the model as the client is to see it, where the provider did not name one.
        created: seconds since the epoch, where the provider did not say.
        wants_usage: as `Asked.wants_usage`.
        payload: the client's request.
        began_s: when the call came, on the monotonic clock in seconds; None where nobody is told how long it took.
    """

    call_id: str
    model: str
    created: int
    wants_usage: bool
    payload: Mapping[str, Json]
    began_s: float | None = None


class EventReader(Protocol):
    """Reads a provider's stream, fed in any pieces.

    Attributes:
        ended: the stream has said that it is over; what follows is of no interest.
    """

    ended: bool

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes. After a `Finished` or a `Failed` none follow.

        Raises:
            UpstreamInvalid: what came is not of this dialect.
        """

    def close(self, *, certain: bool) -> list[Event]:
        """The provider's bytes have ended: the events that were still held back, `Finished` at the latest now.

        Args:
            certain: the transport knows that the body is whole.

        Raises:
            UpstreamCut: the stream has no proper end.
        """

    def counted(self) -> Usage | None:
        """What the provider has counted up to now, in the midst of a stream; None where it has told nothing yet."""


class EventWriter(Protocol):
    """Writes a stream for a client. The first event is `Started`, the last `Finished` or `Failed`."""

    def write(self, event: Event) -> bytes:
        """The bytes that tell of `event`, and after the last one all that ends the stream; b"" where there is nothing to say."""


class Frame(Protocol):
    """Puts a stream that passes into another form."""

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for the provider's."""

    def close(self) -> bytes:
        """The client's last bytes; b"" when they were given before."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API's way to write.

    Attributes:
        name: as in `api_format`.
        stream_type: the media type of its streams.
        words: by the name of a parameter in `parameters`, the paths by which a client of this dialect may say it, the usual
            one first; what it has no word for is not there.
        read_request: a payload of this dialect as a canonical request. Raises `InvalidRequest` with the field as `param`.
        write_request: a canonical request as a payload for a provider of this dialect: `(request, model, streamed)`.
        read_reply: a provider's whole reply, decoded, as events from `Started` to `Finished`. Raises `UpstreamInvalid` where it is
            none, and `UpstreamError` where it is an error that came with status 200.
        read_stream: a new reader of one stream.
        write_reply: a whole reply for a client, as a JSON value.
        write_stream: a new writer of one stream.
        read_error: a provider's error response: `(status, body, provider, retry_after, secrets)`; secrets are kept out.
        write_error: the body of an error response.
        write_error_event: an error in the midst of a stream, and the end of that stream.
        client_only: requests are never written in it; to providers that have it too they pass as they came.
        form_of: the dialect that has the same requests, and the same replies but for the form of streams; to its providers they pass.
        frame: what puts their streams into the form of this one.
        has_comments: clients skip comments in its streams. Google's SDK for Python takes each for a piece of JSON, and fails.
    """

    name: str
    stream_type: str
    words: Mapping[str, Sequence[str]]
    read_request: Callable[[Mapping[str, Json]], ChatRequest]
    write_request: Callable[[ChatRequest, str, bool], Encoded]
    read_reply: Callable[[Json], list[Event]]
    read_stream: Callable[[], EventReader]
    write_reply: Callable[[Completion, About], dict[str, Json]]
    write_stream: Callable[[About], EventWriter]
    read_error: Callable[[int, bytes, str, str | None, Sequence[str]], UpstreamError]
    write_error: Callable[[RelayError], bytes]
    write_error_event: Callable[[RelayError], bytes]
    client_only: bool = False
    form_of: str | None = None
    frame: Callable[[], Frame] | None = None
    has_comments: bool = True
