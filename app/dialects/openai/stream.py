"""A provider's stream of chat chunks, made into the stream that OpenAI's clients expect.

Blocks of events in which there is nothing to mend go through as they are; only what is told apart by a few searches
over the bytes is taken to pieces.
"""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from app.core.errors import UpstreamCut, UpstreamInvalid
from app.core.jsonio import InvalidJson, Json, dumps, is_utf8, loads_repaired
from app.core.redaction import redact_json
from app.core.usage import Usage
from app.dialects.framing import EventBuffer, first_event, is_event, read_data, split_events, write_data
from app.dialects.openai.errors import read_error
from app.dialects.openai.usage import count_prompt_characters, estimate_tokens, read_usage, write_usage

DONE = b"[DONE]"
_DONE_EVENT = write_data(DONE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FINISH_REASON = re.compile(rb'"finish_reason" ?: ?"')
_BETWEEN_CHUNKS = b"}\n\ndata: {"
_END = b"}\n\n" + _DONE_EVENT


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
        self,
        *,
        call_id: str,
        model: str,
        provider: str,
        wants_usage: bool,
        request: Mapping[str, Json],
        mender: Mender | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.ended = False
        self.failure: str | None = None
        self._buffer = EventBuffer()
        self._mender = mender
        self._secrets = secrets
        self._provider = provider
        self._wants_usage = wants_usage
        self._request = request
        self._envelope: dict[str, Json] = {"id": f"chatcmpl-{call_id}", "object": "chat.completion.chunk"}
        self._envelope |= {"created": int(time.time()), "model": model}
        self._opened = False
        self._finished = False
        self._last_block = b""
        self._reported: dict[str, Json] | None = None
        self._tier: Json = None
        self._usage_event: bytes | None = None
        self._bytes = 0
        self._events = 0
        self._overhead = 0

    def feed(self, data: bytes) -> bytes:
        """The next bytes for the client; none while an event is incomplete.

        Raises:
            UpstreamInvalid: what came is no stream of chunks.
            UpstreamError: it is an error, and nothing else has come before.
        """
        block = self._buffer.feed(data)
        if self.ended or not block:
            return b""
        return self._take_rest(block) if self._opened else self._take_block(block)

    def close(self, *, certain: bool) -> bytes:
        """The provider's bytes have ended: what is missing at the end of the client's stream.

        Args:
            certain: the transport knows that the body is whole. Where it cannot know, an end without a sign of one is a cut.

        Raises:
            UpstreamCut: the stream has no proper end.
        """
        rest = b"" if self.ended else self._buffer.rest()
        try:
            out = self._take_block(rest + b"\n\n") if rest.strip() else b""
        except UpstreamInvalid:
            raise UpstreamCut("The provider's stream ended in the midst of an event.") from None
        if self.ended:
            return out
        if not (self.failure or (self._opened and (certain or self._has_finished()))):
            raise UpstreamCut("The provider's stream ended before its answer did.")
        return out + self._closing()

    def read_usage(self) -> Usage:
        """What the provider reported up to now, or else an estimate."""
        reported = read_usage(self._reported, self._tier)
        if reported is not None:
            return reported
        # What is not text is the same in all chunks, near enough; and hardly a provider sends less than a token a chunk.
        text = self._bytes - self._overhead * self._events
        return Usage(
            input=estimate_tokens(count_prompt_characters(self._request)),
            output=max(estimate_tokens(text), self._events - 1, 0),
            estimated=True,
        )

    def _take_block(self, block: bytes) -> bytes:
        opening = b""
        while block and not self._opened and not self.ended:
            event = first_event(block)
            opening += self._take_event(event)
            block = block[len(event) :]
        if self.ended:
            return opening
        return opening + self._take_rest(block) if opening else self._take_rest(block)

    def _take_rest(self, block: bytes) -> bytes:
        lean = block.replace(b',"usage":null', b"")  # it comes because we asked for usage
        kept = block if self._wants_usage else lean
        if self._mender is None and _is_one_plain_chunk(lean):
            return self._pass(kept, 1)
        events = kept.count(b"\n\n")
        notable = self._find_notable(kept, lean, events)
        if notable < 0:
            return self._pass(kept, events)
        start = kept.rfind(b"\n\n", 0, notable) + 2 if notable else 0
        if start < 2:
            return b"".join([self._take_event(event) for event in split_events(kept)])
        rest = kept[start:]
        passed = self._pass(kept[:start], events - rest.count(b"\n\n"))
        return passed + b"".join([self._take_event(event) for event in split_events(rest)])

    def _find_notable(self, block: bytes, lean: bytes, events: int) -> int:
        """Where in `block` the first event may be that has to be looked at; -1 for none, 0 for all."""
        if (
            self._mender is not None
            or b"\r" in block
            or not (block.isascii() or is_utf8(block))
            or not block.startswith(b"data: {")
        ):
            return 0
        others = events - 1 - block.count(_BETWEEN_CHUNKS)
        end = len(block) - len(_DONE_EVENT) if others == 1 and block.endswith(_END) else -1
        if end < 0 and (others or not block.endswith(b"}\n\n")):
            return 0  # comments or garbage
        usage = max(block.find(b'"usage":{'), 0) if b'"usage"' in lean else -1
        error = block.find(b'"error"')
        if error < 0 and usage < 0:
            return end
        return min(at for at in (error, usage, end) if at >= 0)

    def _pass(self, block: bytes, events: int) -> bytes:
        """A block of ordinary chunks."""
        self._bytes += len(block)
        self._events += events
        self._last_block = block
        return block

    def _take_event(self, event: bytes) -> bytes:
        if self.ended:
            return b""
        if not self._opened:
            event = event.removeprefix(_BYTE_ORDER_MARK)
        data = read_data(event)
        if data is None:
            # Before the first chunk they are kept back: a status can still be sent then, or another provider be asked.
            return event.decode(errors="replace").encode() if self._opened and is_event(event) else b""
        if data.strip() == DONE:
            self.ended = True
            return self._closing()
        if not data.strip():
            return b""
        try:
            chunk = loads_repaired(data)
        except InvalidJson:
            chunk = None
        if not isinstance(chunk, dict):
            raise UpstreamInvalid("The provider sent an event that is no JSON object.")
        try:
            return self._take_chunk(chunk, event if is_utf8(event) else write_data(dumps(chunk)))
        except InvalidJson as exc:
            raise UpstreamInvalid(f"The provider sent an event that cannot be passed on: {exc}.") from None

    def _take_chunk(self, chunk: dict[str, Json], event: bytes) -> bytes:
        if chunk.get("error"):
            return self._take_error(chunk)
        mended = chunk if self._mender is None else self._mender.mend_chunk(chunk)
        changed = mended is not chunk
        usage = mended.get("usage")
        choices = mended.get("choices")
        if choices and not isinstance(choices, list):
            raise UpstreamInvalid("The provider sent a chunk whose choices are no list.")
        if isinstance(usage, dict):
            self._reported, self._tier = usage, mended.get("service_tier")
            if not choices:
                self._usage_event = event if not changed else write_data(dumps(mended))
                return b""
            self._usage_event = None
        if "usage" in mended and (usage is not None or not self._wants_usage):
            mended = {key: value for key, value in mended.items() if key != "usage"}
            changed = True
        written = write_data(dumps(mended)) if changed else event
        self._note(mended, choices, len(written))
        if self._opened or not choices:
            return written
        self._opened = True
        return written if _has_role(choices) else self._role_chunk() + written

    def _take_error(self, chunk: dict[str, Json]) -> bytes:
        """The provider's words and fields, in OpenAI's shape and without secrets.

        Raises:
            UpstreamError: nothing has gone out yet, so that it can have a status.
        """
        if not self._opened:
            raise read_error(200, dumps(chunk), provider=self._provider, retry_after=None, secrets=self._secrets)
        chunk = redact_json(chunk, self._secrets)
        error = chunk["error"]
        if not isinstance(error, dict):
            words = error if isinstance(error, str) else dumps(error).decode()
            error = {"message": words, "type": "upstream_error", "param": None, "code": chunk.pop("code", None)}
        message = error.get("message")
        self.failure = message if isinstance(message, str) else dumps(error).decode()
        usage = chunk.pop("usage", None)
        self._reported = usage if isinstance(usage, dict) else self._reported
        return write_data(dumps({**chunk, "error": error}))

    def _note(self, chunk: Mapping[str, Json], choices: Json, size: int) -> None:
        """Keep what a chunk of our own will need, and count."""
        self._bytes += size
        self._events += 1
        if self._opened:
            self._finished = self._finished or _has_finish_reason(choices)
            return
        self._envelope.update((key, chunk[key]) for key in self._envelope if chunk.get(key))
        self._finished = _has_finish_reason(choices)
        self._overhead = size - _text_length(choices)

    def _has_finished(self) -> bool:
        return self._finished or _FINISH_REASON.search(self._last_block) is not None

    def _role_chunk(self) -> bytes:
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
        return write_data(dumps({**self._envelope, "choices": [choice]}))

    def _closing(self) -> bytes:
        closing = b""
        if self._mender is not None and self.failure is None:
            closing = b"".join(
                [write_data(dumps({**self._envelope, **chunk})) for chunk in self._mender.closing_chunks()]
            )
        if self._wants_usage:
            closing += self._usage_event or self._usage_chunk()
        return closing + _DONE_EVENT

    def _usage_chunk(self) -> bytes:
        usage = self._reported if read_usage(self._reported) is not None else write_usage(self.read_usage())
        return write_data(dumps({**self._envelope, "choices": [], "usage": usage}))


def _is_one_plain_chunk(block: bytes) -> bool:
    """Whether there is nothing to look at: what most blocks of a stream are that comes at a model's pace."""
    return (
        block.startswith(b"data: {")
        and block.isascii()
        and block.find(b"\n") == len(block) - 2  # CPython raises and clears an error within each `in`; `find` does not
        and block.endswith(b"}\n\n")
        and block.find(b"\r") < 0
        and block.find(b'"usage"') < 0
        and block.find(b'"error"') < 0
    )


def _has_finish_reason(choices: Json) -> bool:
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") for choice in choices
    )


def _text_length(choices: Json) -> int:
    deltas = (
        [choice.get("delta") for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    )
    values = [value for delta in deltas if isinstance(delta, dict) for key, value in delta.items() if key != "role"]
    return sum(len(value) for value in values if isinstance(value, str))


def _has_role(choices: Json) -> bool:
    first = choices[0] if isinstance(choices, list) and choices else None
    delta = first.get("delta") if isinstance(first, dict) else None
    return isinstance(delta, dict) and bool(delta.get("role"))
