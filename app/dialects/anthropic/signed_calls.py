"""A foreign signature of a tool call: `tool_use` has no place for it, so it stands in a `redacted_thinking` block before.

Gemini signs its calls and wants the signature back; clients give `redacted_thinking` back as it came.
"""

from app.core.chat import Signature

_MARK = "lr.call."


def wrap_call(signature: Signature) -> str:
    """The `data` of the block that carries the signature of the tool call that follows."""
    return f"{_MARK}{signature.origin}.{signature.value}"


def unwrap_call(data: str) -> Signature | None:
    """The signature that `data` carries; None where it is ordinary redacted thinking."""
    if not data.startswith(_MARK):
        return None
    origin, dot, value = data.removeprefix(_MARK).partition(".")
    return Signature(value, origin) if dot else None
