"""What stands in `encrypted_content`: a provider's own seal, or one of another dialect in our marking.

Clients send the items of a reply back as they came. So an item with an `encrypted_content` of ours carries another provider's
signature to the next turn: that of its own reasoning, a whole piece of reasoning that only its provider can read, or the
signature of the tool call that follows, for which this dialect has no place.
"""

from typing import Literal

from app.core.chat import Signature
from app.core.frozen import frozen
from app.dialects.signatures import unwrap, wrap

NAME = "responses"

_CALL = "lr.call."
_REDACTED = "lr.redacted."
_MARK = "lr."


@frozen
class Sealed:
    """A signature, and what it is a signature of; None for reasoning that nobody signed."""

    of: Literal["reasoning", "redacted", "call"]
    signature: Signature | None


def seal(signature: Signature) -> str:
    """The signature of a piece of reasoning."""
    return wrap(signature, NAME)


def seal_redacted(signature: Signature) -> str:
    """A piece of reasoning that only its provider can read."""
    return f"{_REDACTED}{signature.origin}.{signature.value}"


def seal_call(signature: Signature) -> str:
    """The signature of the tool call that follows."""
    return f"{_CALL}{signature.origin}.{signature.value}"


def unseal(text: str) -> Sealed:
    """What a client sends back."""
    if text.startswith(_CALL):
        return Sealed("call", unwrap(_MARK + text.removeprefix(_CALL), NAME))
    if text.startswith(_REDACTED):
        return Sealed("redacted", unwrap(_MARK + text.removeprefix(_REDACTED), NAME))
    return Sealed("reasoning", unwrap(text, NAME))
