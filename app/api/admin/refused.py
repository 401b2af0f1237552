"""Says in the API's way what cannot be done: the errors of a desk become errors with a status."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from app.core.errors import RelayError

Refusals = Mapping[type[Exception], Callable[..., RelayError]]
"""What makes an error of ours, by those of a desk: a class, or a `partial` of one with its code. One that is a kind of another stands
before it."""


class InvalidParameters(RelayError):
    """Parameters or a body that cannot be."""

    status = 400
    type = "invalid_request_error"
    code = "invalid_parameters"


class NotFound(RelayError):
    """What a request is about is not there; `code` says what."""

    status = 404
    type = "invalid_request_error"


class Conflicting(RelayError):
    """What there is stands against it; `code` says how."""

    status = 409
    type = "invalid_request_error"


@contextmanager
def refusing(refusals: Refusals) -> Iterator[None]:
    """Raises, in place of an error in `refusals`, the one that it becomes, with the same words and `param`; all others pass."""
    try:
        yield
    except tuple(refusals) as exc:
        refusal = next(refusal for kind, refusal in refusals.items() if isinstance(exc, kind))
        raise refusal(str(exc), param=getattr(exc, "param", None)) from exc
