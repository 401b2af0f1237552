"""The stand-in provider: OpenAI's and Anthropic's APIs of prebuilt bytes, as cheap as Python allows.

`python -m benchmarks.standin` prints its port and serves until its standard input ends.
"""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

from benchmarks import messages, wire


def main() -> None:
    """Serve on a free loopback port until standard input ends."""
    uvloop.run(_serve())


class StandIn(asyncio.Protocol):
    """One keep-alive connection to the stand-in. Bodies are searched for a few words, never parsed."""

    def __init__(self, replies: "Replies") -> None:
        self._replies = replies
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._body = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        self._url = self._body = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url.endswith(b"/messages"):
            if b"bench-paced" in self._body:
                self._begin_pace(self._replies.paced_messages)
            else:
                self._transport.write(self._replies.burst_messages)
        elif not self._url.endswith(b"/chat/completions"):
            self._transport.write(self._replies.models if self._url.endswith(b"/models") else self._replies.not_found)
        elif not _asks(self._body, b"stream"):
            self._transport.write(self._replies.whole)
        elif b"bench-paced" in self._body:
            self._begin_pace(self._replies.paced[_asks(self._body, b"include_usage")])
        else:
            self._transport.write(self._replies.burst[_asks(self._body, b"include_usage")])

    def _begin_pace(self, pieces: list[bytes]) -> None:
        self._transport.write(pieces[0] + pieces[1])
        self._pace(pieces, 2, self._loop.time() + wire.PACE_S)

    def _pace(self, pieces: list[bytes], position: int, at: float) -> None:
        # Against the clock, not after the last write: a late tick must not slow the whole stream down.
        self._timer = self._loop.call_at(at, self._tick, pieces, position, at)

    def _tick(self, pieces: list[bytes], position: int, at: float) -> None:
        self._transport.write(pieces[position])
        if position + 1 < len(pieces):
            self._pace(pieces, position + 1, at + wire.PACE_S)


class Replies:
    """Every answer the stand-in gives, built once. Streams come without and with usage: index by bool."""

    def __init__(self) -> None:
        self.whole = wire.whole_reply()
        self.models = wire.models_reply()
        self.not_found = wire.not_found_reply()
        self.burst = [
            b"".join(wire.stream_reply("bench-burst", wire.BURST_CHUNKS, include_usage=usage))
            for usage in (False, True)
        ]
        self.paced = [
            wire.stream_reply("bench-paced", wire.PACED_CHUNKS, include_usage=usage) for usage in (False, True)
        ]
        self.burst_messages = b"".join(messages.stream_reply(messages.BURST_TO.model, wire.BURST_CHUNKS))
        self.paced_messages = messages.stream_reply(messages.PACED_TO.model, wire.PACED_CHUNKS)


def _asks(body: bytes, key: bytes) -> bool:
    return b'"%b":true' % key in body or b'"%b": true' % key in body


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    replies = Replies()
    server = await loop.create_server(lambda: StandIn(replies), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    main()
