"""The streams of the benchmark by Anthropic's API, for what is translated from it and to it."""

import json
from dataclasses import dataclass, replace
from typing import Any

from benchmarks import wire

PREFIX = "claude-"
"""What the models of the stand-in are called where it is to answer by this API."""


@dataclass(frozen=True)
class MessagesExchange(wire.Exchange):
    """A call by this API, to whatever provider."""

    path: str = "/v1/messages"
    done: bytes = b"message_stop"

    def payload(self) -> dict[str, Any]:
        """The body of the request."""
        system, *messages = wire.MESSAGES
        said = {"system": system["content"], "messages": messages, "max_tokens": 200, "temperature": 0.2}
        return {"model": self.model, **said, "stream": self.stream}

    def read_text(self, body: bytes) -> str:
        """The text a client would show, parsed in full."""
        events = [json.loads(line[5:]) for line in body.splitlines() if line.startswith(b"data:")]
        return "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")


def _from_messages(exchange: wire.Exchange) -> MessagesExchange:
    return MessagesExchange(exchange.model, exchange.stream, exchange.text, exchange.mark, exchange.marks)


BURST_FROM = _from_messages(wire.BURST)
PACED_FROM = _from_messages(wire.PACED)
"""By this API, to a provider of OpenAI's."""

BURST_TO = replace(wire.BURST, model=PREFIX + wire.BURST.model)
PACED_TO = replace(wire.PACED, model=PREFIX + wire.PACED.model)
"""By OpenAI's API, to a provider of this one."""


def stream_reply(model: str, chunks: int) -> list[bytes]:
    """The HTTP response to a streamed call: the head, then one HTTP chunk for each event, the end with the last."""
    message: dict[str, Any] = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 62, "output_tokens": 1},
    }
    block = {"index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"index": 0, "delta": {"type": "text_delta", "text": wire.PIECE}}
    end = {"delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 71}}
    pieces = [
        wire.response_head("text/event-stream; charset=utf-8", "Transfer-Encoding: chunked"),
        _event("message_start", {"message": message}) + _event("content_block_start", block),
        *[_event("content_block_delta", delta)] * (chunks - 2),
        _event("content_block_stop", {"index": 0}) + _event("message_delta", end) + _event("message_stop", {}),
    ]
    pieces[-1] += b"0\r\n\r\n"
    return pieces


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return wire.framed(b"event: %b\ndata: %b\n\n" % (name.encode(), wire.dump({"type": name, **fields})))
