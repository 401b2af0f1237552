"""`thoughtSignature`: bytes in base64, so that another dialect's signature is wrapped and then encoded.

The two forms cannot be taken for one another: no signature of Google's, which are protobuf, begins with our mark.
"""

import base64
import binascii

from app.core.chat import Signature
from app.dialects.signatures import UNSIGNED, unwrap, wrap

NAME = "gemini"

_REDACTED = "redacted."
_OURS = ("lr.", _REDACTED)

NO_SIGNATURE = base64.b64encode(UNSIGNED.encode()).decode()
"""For a client: of a call that another provider made, and did not sign."""


def write_signature(signature: Signature, *, redacted: bool = False) -> str:
    """A `thoughtSignature` for a client; `redacted` where it is itself what the model thought."""
    if signature.origin == NAME and not redacted:
        return signature.value
    text = (_REDACTED if redacted else "") + wrap(signature, NAME)
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()


def read_signature(text: str) -> tuple[Signature | None, bool]:
    """What `write_signature` was given; None for `NO_SIGNATURE`. SDKs decode and encode it on its way, some with the other alphabet of base64."""
    try:
        decoded = base64.b64decode(standard_base64(text)).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return Signature(text, NAME), False
    if not decoded.startswith(_OURS):
        return Signature(text, NAME), False
    redacted = decoded.startswith(_REDACTED)
    return unwrap(decoded.removeprefix(_REDACTED), NAME), redacted


def standard_base64(text: str) -> str:
    """The same in the alphabet and with the padding that every API takes: Google's take more, and its SDK writes more."""
    text = text.replace("-", "+").replace("_", "/")
    return text + "=" * (-len(text) % 4)
