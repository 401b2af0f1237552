"""Replies that pass as they came, whatever they are: embeddings, images, sound; only their usage is read."""

from app.core.jsonio import InvalidJson, Json, loads
from app.core.usage import NO_USAGE, Usage
from app.dialects.openai.usage import read_usage

# What is larger and begins as JSON is a list of pictures or embeddings: its usage stands at the end.
_TAIL_BYTES = 4096


class Plain:
    """Feed it the provider's bytes; it gives the same."""

    ended = False
    failure: str | None = None

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> bytes:
        """`data`."""
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        return data

    def close(self, *, certain: bool) -> bytes:
        """Nothing is missing."""
        return b""

    def read_usage(self) -> Usage:
        """The last usage object that was seen; nothing where there was none."""
        at = self._tail.rfind(b'"usage"')
        start = self._tail.find(b"{", at) if at >= 0 else -1
        return _usage(_object(self._tail[start:])) if start >= 0 else NO_USAGE


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


def _usage(reported: Json) -> Usage:
    if not isinstance(reported, dict):
        return NO_USAGE
    # Embeddings report no output, image models `input_tokens` and `output_tokens`.
    prompt = reported.get("prompt_tokens", reported.get("input_tokens"))
    completion = reported.get("completion_tokens", reported.get("output_tokens", 0))
    return read_usage({**reported, "prompt_tokens": prompt, "completion_tokens": completion}) or NO_USAGE
