"""Signatures that travel through another dialect than the one they were made in, and come back.

A provider signs its reasoning and wants the signature back with the next turn. A client of another dialect keeps it for us as
text in the place that its own dialect has for signatures, marked with where it is from.
"""

from app.core.chat import Signature

_MARK = "lr."

UNSIGNED = "lr.unsigned."
"""Stands where another provider signed nothing: a provider that signs would refuse the part, so it must be known when it comes back."""


def wrap(signature: Signature, dialect: str) -> str:
    """The text of `signature` for a client of `dialect`: as it is where it was made there, else marked with its origin."""
    return signature.value if signature.origin == dialect else f"{_MARK}{signature.origin}.{signature.value}"


def unwrap(text: str, dialect: str) -> Signature | None:
    """What `wrap` gave, as a client of `dialect` sends it back; None for `UNSIGNED`."""
    if text == UNSIGNED:
        return None
    if text.startswith(_MARK):
        origin, dot, value = text.removeprefix(_MARK).partition(".")
        if dot:
            return Signature(value, origin)
    return Signature(text, dialect)
