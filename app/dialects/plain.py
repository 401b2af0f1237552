"""Replies that pass as they came, whatever they are: embeddings, images, sound; only their usage is read."""

from collections.abc import Callable, Mapping

from app.core.jsonio import InvalidJson, Json, loads
from app.core.usage import NO_USAGE, Usage
from app.dialects.openai.usage import read_usage

# What is larger and begins as JSON is a list of pictures or embeddings: its usage stands at the end.
_TAIL_BYTES = 4096


def find_usage(tail: bytes) -> Usage | None:
    """What was used, by the last `usage` object in the last bytes of a reply of OpenAI's API; None where there is none."""
    return read_plain_usage(last_object(tail, b'"usage"'))


def read_plain_usage(reported: Json, made_of: str | None = None) -> Usage | None:
    """The same of the object. Embeddings report no output, images and sound `input_tokens` and `output_tokens`.

    Args:
        made_of: `image_tokens` or `audio_tokens`, where all that is made is such as long as no details say otherwise.
    """
    if not isinstance(reported, dict):
        return None
    completion = reported.get("completion_tokens", reported.get("output_tokens", 0))
    made = _first(reported, "completion_tokens_details", "output_tokens_details")
    if made is None and made_of is not None:
        made = {made_of: completion}
    return read_usage(
        {
            **reported,
            "prompt_tokens": reported.get("prompt_tokens", reported.get("input_tokens")),
            "completion_tokens": completion,
            # Transcriptions tell of `input_token_details`.
            "prompt_tokens_details": _first(
                reported, "prompt_tokens_details", "input_tokens_details", "input_token_details"
            ),
            "completion_tokens_details": made,
        }
    )


def last_object(text: bytes, key: bytes) -> Json:
    """The JSON object behind the last `key`, a quoted one, in a piece of JSON; None where there is none."""
    at = text.rfind(key)
    start = text.find(b"{", at) if at >= 0 else -1
    return _object(text[start:]) if start >= 0 else None


class Plain:
    """Feed it the provider's bytes; it gives the same.

    Args:
        find: what was used, in the last bytes of the reply.
        estimate: the same where they do not tell.
    """

    ended = False
    failure: str | None = None

    def __init__(
        self,
        find: Callable[[bytes], Usage | None] = find_usage,
        estimate: Callable[[], Usage] = lambda: NO_USAGE,
    ) -> None:
        self._find = find
        self._estimate = estimate
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """`data`."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        return data

    def close(self, *, certain: bool) -> bytes:
        """Nothing is missing."""
        return b""

    def read_usage(self) -> Usage:
        """What was used."""
        return self._find(self._tail) or self._estimate()


def _first(reported: Mapping[str, Json], *keys: str) -> Json:
    return next((reported[key] for key in keys if reported.get(key) is not None), None)


def _object(text: bytes) -> Json:
    """The JSON object that `text` begins with; None where it holds none."""
    depth = 0
    for at, byte in enumerate(text):
        if byte == 0x7B:
            depth += 1
        elif byte == 0x7D:
            depth -= 1
            if depth == 0:
                try:
                    return loads(text[: at + 1])
                except InvalidJson:
                    return None
    return None
