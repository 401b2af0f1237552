"""The whole transport before a server that sends anything at all; h11 is the judge of what a clean answer is."""

import asyncio
import contextlib
from typing import get_args

import h11
import httpx
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from app.providers.transport import Transport
from tests.providers.transport.servers import OK, Kind, Peer, fetch, request, serve, transport_of
from tests.providers.transport.test_incoming import CUTS, FRAGMENTS, in_pieces

SENT = st.one_of(
    st.binary(max_size=200),
    st.lists(FRAGMENTS, max_size=12).map(b"".join),
    st.lists(FRAGMENTS, max_size=4).map(lambda more: OK + b"".join(more)),
)


@pytest.mark.parametrize("kind", get_args(Kind))
@settings(max_examples=100, deadline=None)
@given(data=SENT, cuts=CUTS, then_close=st.booleans(), on_uvloop=st.booleans())
def test_any_bytes_end_in_an_answer_or_a_transport_error(
    kind: Kind, data: bytes, cuts: list[int], then_close: bool, on_uvloop: bool
) -> None:
    run = uvloop.run if on_uvloop else asyncio.run

    run(asyncio.wait_for(_ask(kind, data, cuts, then_close), 10))  # anything else comes out here


async def _ask(kind: Kind, data: bytes, cuts: list[int], then_close: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*in_pieces(data, cuts))
        if not then_close:
            await peer.gone()

    async with transport_of(kind) as transport, serve(script) as server:
        with contextlib.suppress(httpx.TransportError):
            await fetch(transport, request(server, read=0.02))


# Ours only: httpx's is h11 itself, and takes what is left over for the beginning of the next answer.
@settings(max_examples=150, deadline=None)
@given(data=SENT, cuts=CUTS, then_close=st.booleans(), on_uvloop=st.booleans())
def test_answer_is_what_h11_makes_of_it_and_only_a_connection_with_nothing_left_over_is_used_again(
    data: bytes, cuts: list[int], then_close: bool, on_uvloop: bool
) -> None:
    run = uvloop.run if on_uvloop else asyncio.run

    body, connections = run(asyncio.wait_for(_exchange(data, cuts, then_close), 10))

    clean, expected = _judge(data)
    assert connections == 2 or clean
    if clean:
        assert body == expected


async def _exchange(data: bytes, cuts: list[int], then_close: bool) -> tuple[bytes, int]:
    """What came of an answer of these bytes, and how many connections this and one more request took."""

    async def script(peer: Peer) -> None:
        if server.connections == 1:
            await peer.request()
            try:
                await peer.send(*in_pieces(data, cuts))
            finally:
                all_sent.set()
            if then_close:
                return
        while True:
            await peer.request()
            await peer.send(OK)

    body = b""
    all_sent = asyncio.Event()
    transport = Transport()
    try:
        async with serve(script) as server:
            try:
                response = await transport.handle_async_request(request(server, read=0.05))
                body = await response.aread()
            except (httpx.TransportError, httpx.DecodingError):
                pass
            # What comes after the next request was sent cannot be told from its answer.
            await all_sent.wait()
            await asyncio.sleep(0.005)
            follow_up = await transport.handle_async_request(request(server))
            assert await follow_up.aread() == b"ok"
            return body, server.connections
    finally:
        await transport.aclose()


def _judge(data: bytes) -> tuple[bool, bytes]:
    """Whether `data` is one whole answer that lets the connection live, and its body."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    client.send(h11.EndOfMessage())
    body = b""
    try:
        client.receive_data(data)
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA or event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return False, b""
            if isinstance(event, h11.Data):
                body += bytes(event.data)
    except h11.RemoteProtocolError:
        return False, b""
    return client.their_state is h11.DONE and not client.trailing_data[0].strip(b"\r\n"), body
