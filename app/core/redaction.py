"""Takes secrets out of text that somebody else wrote, before a client or a log sees it."""

import re
from collections.abc import Iterable, Sequence

from app.core.jsonio import Json

MARK = "[redacted]"

# What is shorter is a word to fill a field with, such as "ollama" or "EMPTY", and may well be meant as one.
_SHORTEST = 8

# No error that a reader could use nests deeper.
_MAX_DEPTH = 32

# The shapes in which providers (and we) hand out keys, whole or masked with asterisks as OpenAI's 401 quotes them. Where
# a prefix is also that of model names (xai-grok-4, pplx-70b-online), what follows must be too long for one.
_KEY_SHAPES = re.compile(
    r"""(?<![A-Za-z0-9])(?:
        (?:sk|pk|rk)[-_*][A-Za-z0-9_*.+/=-]{6,}
      | (?:gsk|csk|tgp|whsec)[-_][A-Za-z0-9_*.+/=-]{6,}
      | (?:xai|pplx)[-_*][A-Za-z0-9*]{8,}
      | AIza[A-Za-z0-9_*-]{8,}
      | lr_[A-Za-z0-9]{8}_[A-Za-z0-9]+
    )""",
    re.VERBOSE,
)

# Where Google's clients put theirs, of whatever shape: in a URL, also one that was quoted once more.
_KEY_PARAMETER = re.compile(r"""((?:[?&]|%3F|%26)key(?:=|%3D))[^&\s"'<>]+""", re.IGNORECASE)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without any of `secrets`, and without whatever looks like a key or stands where one is sent."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MARK)
    if "key" in text:
        text = _KEY_PARAMETER.sub(rf"\1{MARK}", text)
    return _KEY_SHAPES.sub(MARK, text)


def redact_json(value: Json, secrets: Sequence[str] = (), *, depth: int = _MAX_DEPTH) -> Json:
    """A decoded JSON value with every text in it redacted. Done before decoding, an escape could hide a key."""
    if isinstance(value, str):
        return redact(value, secrets)
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return MARK
    if isinstance(value, list):
        return [redact_json(item, secrets, depth=depth - 1) for item in value]
    return {redact(key, secrets): redact_json(item, secrets, depth=depth - 1) for key, item in value.items()}
