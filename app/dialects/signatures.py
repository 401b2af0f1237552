"""Signatures that travel through another dialect than the one they were made in, and come back.

A provider signs its reasoning and wants the signature back with the next turn. A client of another dialect keeps it for us as
text in the place that its own dialect has for signatures, marked with where it is from.
"""

from app.core.chat import Signature

_MARK = "lr."


def wrap(signature: Signature, dialect: str) -> str:
    """The text of `signature` for a client of `dialect`: as it is where it was made there, else marked with its origin."""
    return signature.value if signature.origin == dialect else f"{_MARK}{signature.origin}.{signature.value}"


def unwrap(text: str, dialect: str) -> Signature:
    """What `wrap` gave, as a client of `dialect` sends it back."""
    if text.startswith(_MARK):
        origin, dot, value = text.removeprefix(_MARK).partition(".")
        if dot:
            return Signature(value, origin)
    return Signature(text, dialect)
