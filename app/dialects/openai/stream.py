"""A provider's stream of chat chunks, made into the stream that OpenAI's clients expect.

Blocks of events in which there is nothing to mend go through as they are; only what is told apart by a few searches
over the bytes is taken to pieces.
"""

import time
from collections.abc import Mapping
from typing import Protocol

from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.jsonio import InvalidJson, Json, dumps, loads
from app.core.redaction import redact
from app.core.usage import Usage
from app.dialects.framing import EventBuffer, first_event, read_data, split_events, write_data
from app.dialects.openai.usage import count_prompt_characters, estimate_tokens, read_usage, write_usage

DONE = b"[DONE]"
_DONE_EVENT = write_data(DONE)


class Mender(Protocol):
    """Puts right what one provider does its own way; made anew for each reply."""

    def mend_chunk(self, chunk: dict[str, Json]) -> dict[str, Json]:
        """A chunk of a stream as OpenAI would send it."""

    def closing_chunks(self) -> list[dict[str, Json]]:
        """What the provider left out at the end of a stream, usage aside."""

    def mend_whole(self, reply: dict[str, Json]) -> dict[str, Json]:
        """A whole reply as OpenAI would send it."""


class ChatStream:
    """Feed it the provider's bytes; it gives the client's.

    What it sees to: a role chunk first and `[DONE]` last; one final chunk with usage exactly where `wants_usage`; usage taken
    out of all other chunks; nothing after the end; valid UTF-8.

    Attributes:
        ended: `[DONE]` has come; what follows is of no interest.
        failure: the provider's words, where it reported an error inside the stream.
    """

    def __init__(
        self, *, call_id: str, model: str, wants_usage: bool, request: Mapping[str, Json], mender: Mender | None = None
    ) -> None:
        self.ended = False
        self.failure: str | None = None
        self._buffer = EventBuffer()
        self._mender = mender
        self._wants_usage = wants_usage
        self._request = request
        self._envelope: dict[str, Json] = {"id": f"chatcmpl-{call_id}", "object": "chat.completion.chunk"}
        self._envelope |= {"created": int(time.time()), "model": model}
        self._opened = False
        self._finished = False
        self._reported: dict[str, Json] | None = None
        self._usage_event: bytes | None = None
        self._text_bytes = 0
        self._overhead = 0

    def feed(self, data: bytes) -> bytes:
        """The next bytes for the client; none while an event is incomplete.

        Raises:
            UpstreamInvalid: what came is no stream of chunks.
        """
        block = self._buffer.feed(data)
        return b"" if self.ended else self._take_block(block)

    def close(self, *, certain: bool) -> bytes:
        """The provider's bytes have ended: what is missing at the end of the client's stream.

        Args:
            certain: the transport knows that the body is whole. Where it cannot know, an end without a sign of one is a cut.

        Raises:
            UpstreamCut: the stream has no proper end.
        """
        rest = b"" if self.ended else self._buffer.rest()
        out = self._take_block(rest + b"\n\n") if rest.strip() else b""
        if self.ended:
            return out
        if not (certain or self._finished or self.failure) or not (self._opened or self.failure):
            raise UpstreamCut("The provider's stream ended before its answer did.")
        return out + self._closing()

    def read_usage(self) -> Usage:
        """What the provider reported up to now, or else an estimate."""
        reported = read_usage(self._reported)
        if reported is not None:
            return reported
        return Usage(
            input=estimate_tokens(count_prompt_characters(self._request)),
            output=estimate_tokens(self._text_bytes),
            estimated=True,
        )

    def _take_block(self, block: bytes) -> bytes:
        opening = b""
        while block and not self._opened and not self.ended:
            event = first_event(block)
            opening += self._take_event(event)
            block = block[len(event) :]
        return opening + self._take_rest(block) if opening else self._take_rest(block)

    def _take_rest(self, block: bytes) -> bytes:
        notable = self._find_notable(block)
        if notable < 0:
            return self._pass(block)
        start = block.rfind(b"\n\n", 0, notable) + 2 if notable else 0
        passed = self._pass(block[:start]) if start > 1 else b""
        rest = block[start:] if start > 1 else block
        return passed + b"".join([self._take_event(event) for event in split_events(rest)])

    def _find_notable(self, block: bytes) -> int:
        """Where in `block` the first event may be that has to be looked at; -1 for none, 0 for all."""
        if self._mender is not None:
            return 0
        events = block.count(b"\n\n")
        if not block.isascii() and not _is_utf8(block):
            return 0
        plain = block.count(b"}\n\n")
        if events != plain or plain != block.count(b"\n\ndata: {") + block.startswith(b"data: {"):
            # Comments, `[DONE]`, other line ends, or garbage. Mostly `[DONE]`, and then only what is from the usage on matters.
            if not block.endswith(b"}\n\n" + _DONE_EVENT) or events != plain + 1:
                return 0
            end = len(block) - len(_DONE_EVENT)
        else:
            end = -1
        error = block.find(b'"error"')
        usage = -1
        if mentions := block.count(b'"usage"'):
            objects = block.count(b'"usage":{')
            if mentions != objects + block.count(b'"usage":null'):
                return 0
            usage = block.find(b'"usage":{') if objects else -1
        return min((at for at in (error, usage, end) if at >= 0), default=-1)

    def _pass(self, block: bytes) -> bytes:
        """A block of ordinary chunks: counted, and rid of the `"usage":null` that comes because we asked for usage."""
        self._text_bytes += max(len(block) - self._overhead * block.count(b"\n\n"), 0)
        self._finished = self._finished or b'"finish_reason":"' in block
        return block if self._wants_usage else block.replace(b',"usage":null', b"")

    def _take_event(self, event: bytes) -> bytes:
        if self.ended:
            return b""
        data = read_data(event)
        if data is None:
            return event
        if data.strip() == DONE:
            self.ended = True
            return self._closing()
        try:
            chunk = loads(data)
        except InvalidJson:
            chunk = _loads_damaged(data)
            event = write_data(dumps(chunk)) if chunk is not None else event
        if not isinstance(chunk, dict):
            if not data.strip():
                return b""
            raise UpstreamInvalid("The provider sent an event that is no JSON object.")
        return self._take_chunk(chunk, event)

    def _take_chunk(self, chunk: dict[str, Json], event: bytes) -> bytes:
        if chunk.get("error"):
            return self._take_error(chunk, event)
        mended = chunk if self._mender is None else self._mender.mend_chunk(chunk)
        changed = mended is not chunk
        usage = mended.get("usage")
        choices = mended.get("choices")
        if isinstance(usage, dict):
            self._reported = usage
            if not choices:
                self._usage_event = event if not changed else write_data(dumps(mended))
                return b""
            self._usage_event = None
        if "usage" in mended and (usage is not None or not self._wants_usage):
            mended = {key: value for key, value in mended.items() if key != "usage"}
            changed = True
        self._note(mended, choices, len(event))
        written = write_data(dumps(mended)) if changed else event
        if self._opened or not choices:
            return written
        self._opened = True
        return written if _has_role(choices) else self._role_chunk() + written

    def _take_error(self, chunk: dict[str, Json], event: bytes) -> bytes:
        error = chunk["error"]
        words = error.get("message") if isinstance(error, dict) else error
        self.failure = redact(words if isinstance(words, str) else dumps(error).decode())
        if isinstance(chunk.get("usage"), dict):
            self._reported = chunk["usage"]
        if isinstance(error, dict):
            cleaned = redact(event.decode(errors="replace"))
            return cleaned.encode()
        rest = {key: value for key, value in chunk.items() if key not in ("error", "code")}
        return write_data(
            dumps(
                {
                    **rest,
                    "error": {
                        "message": self.failure,
                        "type": "upstream_error",
                        "param": None,
                        "code": chunk.get("code"),
                    },
                }
            )
        )

    def _note(self, chunk: Mapping[str, Json], choices: Json, size: int) -> None:
        """Keep what a chunk of our own will need, and count text."""
        for key in self._envelope:
            if chunk.get(key):
                self._envelope[key] = chunk[key]
        written = 0
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            self._finished = self._finished or bool(choice.get("finish_reason"))
            delta = choice.get("delta")
            if isinstance(delta, dict):
                written += sum(len(value) for key, value in delta.items() if key != "role" and isinstance(value, str))
        self._text_bytes += written
        self._overhead = max(size - written, 0)

    def _role_chunk(self) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return write_data(dumps({**self._envelope, "choices": [choice]}))

    def _closing(self) -> bytes:
        closing = b""
        if self._mender is not None:
            closing = b"".join(
                [write_data(dumps({**self._envelope, **chunk})) for chunk in self._mender.closing_chunks()]
            )
        if self._wants_usage:
            closing += self._usage_event or self._usage_chunk()
        return closing + _DONE_EVENT

    def _usage_chunk(self) -> bytes:
        usage = self._reported if read_usage(self._reported) is not None else write_usage(self.read_usage())
        return write_data(dumps({**self._envelope, "choices": [], "usage": usage}))


def _has_role(choices: Json) -> bool:
    first = choices[0] if isinstance(choices, list) and choices else None
    delta = first.get("delta") if isinstance(first, dict) else None
    return isinstance(delta, dict) and bool(delta.get("role"))


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _loads_damaged(data: bytes) -> Json | None:
    """JSON with broken UTF-8 inside, half a character as a rule: read with U+FFFD in its place."""
    try:
        return loads(data.decode(errors="replace"))
    except InvalidJson:
        return None
