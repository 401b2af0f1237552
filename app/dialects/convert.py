"""From the client's dialect to the provider's and back. No stage and no route knows which path is taken.

Where the two dialects are the same, bodies are not rebuilt: requests are spliced, replies pass. So far there is one dialect;
the crossing, by way of canonical values, has its place here.
"""

from typing import Protocol

from app.core.call import Call
from app.core.errors import UpstreamError
from app.core.usage import Usage
from app.dialects.openai import errors as openai_errors
from app.dialects.openai.request import pass_request
from app.dialects.openai.stream import ChatStream, Mender
from app.dialects.openai.whole import WholeReply
from app.dialects.splice import Additions


class Incoming(Protocol):
    """Turns the bytes of a provider's reply into those of the client's.

    Attributes:
        ended: the reply said that it is over; further bytes are of no interest.
        failure: the provider's words, where it reported an error in the midst of a reply.
    """

    ended: bool
    failure: str | None

    def feed(self, data: bytes) -> bytes:
        """The client's next bytes, if `data` completes any."""

    def close(self, *, certain: bool) -> bytes:
        """The client's last bytes. `certain`: the transport knows that nothing is missing."""

    def read_usage(self) -> Usage:
        """What was used up to now."""


def outgoing(call: Call, model: str, additions: Additions) -> bytes:
    """The body of `call` for a provider that calls the model `model`."""
    return pass_request(
        call.body, call.payload, name=call.name, model=model, streamed=call.streamed, additions=additions
    )


def incoming(
    call: Call, *, provider: str, model: str, secret: str | None = None, mender: Mender | None = None
) -> Incoming:
    """What turns the provider's reply to `call` into the client's. `secret` is kept out of what it says of errors."""
    secrets = (secret,) if secret else ()
    if not call.streamed:
        return WholeReply(provider=provider, request=call.payload, mender=mender, secrets=secrets)
    return ChatStream(
        call_id=call.id,
        model=model,
        provider=provider,
        wants_usage=call.wants_usage,
        request=call.payload,
        mender=mender,
        secrets=secrets,
    )


def incoming_error(
    status: int, body: bytes, *, provider: str, retry_after: str | None, secret: str | None
) -> UpstreamError:
    """A provider's error response as ours."""
    return openai_errors.read_error(
        status, body, provider=provider, retry_after=retry_after, secrets=(secret,) if secret else ()
    )
