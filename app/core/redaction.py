"""Takes secrets out of text that somebody else wrote, before a client or a log sees it."""

import re
from collections.abc import Iterable

MARK = "[redacted]"

# The shapes in which providers (and we) hand out keys, whole or masked with asterisks as OpenAI's 401 quotes them.
_KEY_SHAPES = re.compile(r"\b(?:sk|pk|rk|xai|pplx|gsk|tgp|csk|lr|whsec|AIza)[-_]?[A-Za-z0-9]*[-_*][A-Za-z0-9_*.-]{6,}")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without any of `secrets`, and without whatever looks like a key."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MARK)
    return _KEY_SHAPES.sub(MARK, text)
