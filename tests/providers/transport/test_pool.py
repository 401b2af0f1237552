"""Connections kept, shared, counted and let go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from app.providers.transport import Transport
from tests.providers.transport.servers import (
    OK,
    Kind,
    Peer,
    Script,
    Server,
    after_request,
    always,
    fetch,
    request,
    serve,
    transport_of,
    until,
)

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Held:
    """A server that answers when it is told to; `waiting` counts the requests it has not answered."""

    def __init__(self) -> None:
        self.waiting = 0
        self.seen: list[bytes] = []
        self.left = asyncio.Event()
        self._go = asyncio.Semaphore(0)

    async def __call__(self, peer: Peer) -> None:
        try:
            while True:
                head, _ = await peer.request()
                self.seen.append(head.split(b" ")[1])
                self.waiting += 1
                answering = asyncio.ensure_future(self._go.acquire())
                leaving = asyncio.ensure_future(peer.gone())
                await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await leaving
                self.waiting -= 1
                if not answering.done():
                    answering.cancel()
                    return
                await peer.send(OK)
        finally:
            self.left.set()

    def answer(self, times: int = 1) -> None:
        for _ in range(times):
            self._go.release()


async def test_no_more_connections_are_made_than_allowed(kind: Kind) -> None:
    held = Held()
    async with transport_of(kind, max_connections=3) as transport, serve(held) as server:
        calls = [asyncio.create_task(fetch(transport, request(server))) for _ in range(8)]
        await until(lambda: held.waiting == 3)
        await asyncio.sleep(0.05)
        assert held.waiting == 3
        held.answer(8)
        await asyncio.gather(*calls)

        assert server.connections == 3


# Ours only: httpx's counts over all origins.
async def test_limit_counts_for_each_origin_by_itself() -> None:
    held = Held()
    async with transport_of("own", max_connections=1) as transport, serve(held) as busy, serve(always(OK)) as other:
        hanging = asyncio.create_task(fetch(transport, request(busy)))
        await until(lambda: held.waiting == 1)

        _, body = await fetch(transport, request(other, pool=0.1))

        assert body == b"ok"
        held.answer()
        await hanging


async def test_those_who_wait_are_served_in_the_order_they_came(kind: Kind) -> None:
    held = Held()
    async with transport_of(kind, max_connections=1) as transport, serve(held) as server:
        calls = []
        for number in range(5):
            calls.append(asyncio.create_task(fetch(transport, request(server, f"/{number}"))))
            await asyncio.sleep(0.01)
        held.answer(5)
        await asyncio.gather(*calls)

    assert held.seen == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_latecomer_does_not_pass_those_who_wait(kind: Kind) -> None:
    held = Held()
    async with transport_of(kind, max_connections=1) as transport, serve(held) as server:
        first = asyncio.create_task(fetch(transport, request(server, "/first")))
        await until(lambda: held.waiting == 1)
        second = asyncio.create_task(fetch(transport, request(server, "/second")))
        await asyncio.sleep(0.01)
        held.answer()
        await first
        third = asyncio.create_task(fetch(transport, request(server, "/third")))
        held.answer(2)
        await asyncio.gather(second, third)

    assert held.seen == [b"/first", b"/second", b"/third"]


async def test_waiting_too_long_for_a_connection_is_a_pool_timeout(kind: Kind) -> None:
    held = Held()
    async with transport_of(kind, max_connections=1) as transport, serve(held) as server:
        busy = asyncio.create_task(fetch(transport, request(server)))
        await until(lambda: held.waiting == 1)

        with pytest.raises(httpx.PoolTimeout):
            await transport.handle_async_request(request(server, pool=0.05))

        held.answer(2)
        await busy
        await fetch(transport, request(server, pool=0.05))


# Ours only: httpx's says nothing.
async def test_pool_timeout_says_what_was_busy() -> None:
    held = Held()
    async with transport_of("own", max_connections=1) as transport, serve(held) as server:
        busy = asyncio.create_task(fetch(transport, request(server)))
        await until(lambda: held.waiting == 1)

        with pytest.raises(httpx.PoolTimeout, match=f"all 1 connections to 127.0.0.1:{server.port}"):
            await transport.handle_async_request(request(server, pool=0.05))

        held.answer()
        await busy


async def test_waiter_that_is_cancelled_swallows_no_turn(kind: Kind) -> None:
    held = Held()
    async with transport_of(kind, max_connections=1) as transport, serve(held) as server:
        busy = asyncio.create_task(fetch(transport, request(server)))
        await until(lambda: held.waiting == 1)
        leaving = asyncio.create_task(fetch(transport, request(server)))
        staying = asyncio.create_task(fetch(transport, request(server)))
        await asyncio.sleep(0.01)
        leaving.cancel()
        held.answer(2)

        await busy
        await asyncio.wait_for(staying, 1)


# Ours only: httpx's loses the slot.
@pytest.mark.parametrize("handed", ["connection", "slot"])
async def test_waiter_cancelled_in_the_moment_of_its_turn_passes_it_on(handed: str) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(CHUNKED, b"2\r\nok\r\n0\r\n\r\n", pause_s=0.02)

    async with transport_of("own", max_connections=1) as transport, serve(script) as server:
        busy = await transport.handle_async_request(request(server))
        leaving = asyncio.create_task(fetch(transport, request(server)))
        staying = asyncio.create_task(fetch(transport, request(server)))
        await asyncio.sleep(0.1)
        if handed == "connection":
            await anext(aiter(busy.stream))  # type: ignore[arg-type]
        await busy.aclose()  # either way nothing else ran since the turn was given
        leaving.cancel()

        _, body = await asyncio.wait_for(staying, 1)

        assert body == b"ok"
        assert leaving.cancelled()


@pytest.mark.parametrize("at", ["head", "body"])
async def test_cancelled_call_gives_its_slot_back(kind: Kind, at: str) -> None:
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if server.connections > 1:
            await peer.send(OK)
        elif at == "body":
            await peer.send(CHUNKED + b"2\r\nok\r\n")
        asked.set()
        await peer.gone()

    async with transport_of(kind, max_connections=1) as transport, serve(script) as server:
        call = asyncio.create_task(fetch(transport, request(server)))
        await asked.wait()
        await asyncio.sleep(0.02)
        call.cancel()

        _, body = await fetch(transport, request(server, pool=1.0))

        assert body == b"ok"


# Ours only: httpx's loses the slot in the moment after it connected, and in that of giving the connection back.
@pytest.mark.parametrize("steps", range(40))
async def test_call_cancelled_at_any_step_leaks_no_slot(steps: int) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(CHUNKED, b"2\r\nok\r\n", b"0\r\n\r\n")

    async with transport_of("own", max_connections=1) as transport, serve(script) as server:
        call = asyncio.create_task(fetch(transport, request(server)))
        for _ in range(steps):
            await asyncio.sleep(0)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call

        _, body = await fetch(transport, request(server, pool=1.0))

        assert body == b"ok"


@pytest.mark.parametrize("at", ["head", "body"])
async def test_cancelled_call_closes_the_servers_side_at_once(transport: httpx.AsyncBaseTransport, at: str) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if at == "body":
            await peer.send(CHUNKED + b"2\r\nok\r\n")
        asked.set()
        await peer.gone()
        left.set()

    async with serve(script) as server:
        call = asyncio.create_task(fetch(transport, request(server)))
        await asked.wait()
        await asyncio.sleep(0.02)
        call.cancel()

        await asyncio.wait_for(left.wait(), 0.5)


async def test_cancelled_read_closes_the_servers_side_at_once_though_nobody_closes_the_response(
    transport: httpx.AsyncBaseTransport,
) -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        await peer.gone()
        left.set()

    async with serve(script) as server:
        response = await transport.handle_async_request(request(server))
        reading = asyncio.ensure_future(anext(aiter(response.stream)))  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        reading.cancel()

        await asyncio.wait_for(left.wait(), 0.5)


async def test_response_closed_before_its_end_closes_the_servers_side_at_once(
    transport: httpx.AsyncBaseTransport,
) -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + b"2\r\nok\r\n")
        await peer.gone()
        left.set()

    async with serve(script) as server:
        response = await transport.handle_async_request(request(server))
        await response.aclose()

        await asyncio.wait_for(left.wait(), 0.5)


# Ours only: httpx's leaves it to the garbage collector.
async def test_call_cancelled_in_the_handshake_closes_the_socket_at_once(own: Transport) -> None:
    taken, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        taken.set()
        await peer.gone()
        left.set()

    async with serve(script) as server:
        asked = request(server, server.url.replace("http:", "https:"))
        call = asyncio.create_task(own.handle_async_request(asked))
        await taken.wait()
        await asyncio.sleep(0.02)
        call.cancel()

        await asyncio.wait_for(left.wait(), 0.5)


# Ours only: httpx's takes the one that was opened first.
@pytest.mark.parametrize("order", [("/one", "/two"), ("/two", "/one")])
async def test_connection_used_last_is_used_first(own: Transport, order: tuple[str, str]) -> None:
    peers: dict[str, Peer] = {}

    async def script(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            peers[head.decode().split(" ")[1]] = peer

    async with serve(script) as server:
        calls = {path: asyncio.create_task(fetch(own, request(server, path))) for path in ("/one", "/two")}
        await until(lambda: len(peers) == 2)
        for path in order:
            await peers[path].send(OK)
            await calls[path]
        next_call = asyncio.create_task(fetch(own, request(server, "/next")))
        await until(lambda: "/next" in peers)

        assert peers["/next"] is peers[order[-1]]
        await peers["/next"].send(OK)
        await next_call


async def test_no_more_idle_connections_are_kept_than_allowed(kind: Kind) -> None:
    held = Held()
    async with transport_of(kind, max_idle=1) as transport, serve(held) as server:
        calls = [asyncio.create_task(fetch(transport, request(server))) for _ in range(4)]
        await until(lambda: held.waiting == 4)
        held.answer(4)
        await asyncio.gather(*calls)

        await until(lambda: len(server.writers) == 1)


async def test_connection_that_was_idle_for_a_while_is_not_used_again(kind: Kind) -> None:
    async with transport_of(kind, idle_s=0.05) as transport, serve(always(OK)) as server:
        await fetch(transport, request(server))
        await asyncio.sleep(0.15)
        await fetch(transport, request(server))

        assert server.connections == 2


# Ours only: httpx's closes it with the next request.
async def test_idle_connection_is_closed_after_a_while() -> None:
    async with transport_of("own", idle_s=0.1) as transport, serve(always(OK)) as server:
        await fetch(transport, request(server))
        assert len(server.writers) == 1

        await until(lambda: not server.writers)


async def test_connection_in_use_is_not_idle(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await asyncio.sleep(0.25)
            await peer.send(OK)

    async with transport_of(kind, idle_s=0.1) as transport, serve(script) as server:
        for _ in range(2):
            await fetch(transport, request(server))

        assert server.connections == 1


async def test_connection_that_the_server_closed_is_not_used_again(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(always(OK, times=1)) as server:
        for _ in range(3):
            await fetch(transport, request(server))
            await asyncio.sleep(0.02)

        assert server.connections == 3


def _gives_up_kept_connections(seen: list[int], *, reset: bool = False, answer_from: int = 2) -> Script:
    """Answers the first request of a first connection; later ones only on the connection `answer_from` and after it."""

    async def script(peer: Peer) -> None:
        number = len(seen)
        seen.append(0)
        while True:
            await peer.request()
            seen[number] += 1
            if number + 1 < answer_from and (number > 0 or seen[number] > 1):
                if reset:
                    peer.reset()
                return
            await peer.send(OK)

    return script


# Ours only: httpx's looks whether a kept connection has ended before it sends a request, and sends none once more.
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_request_on_a_stale_connection_is_sent_once_more_on_a_new_one(own: Transport, reset: bool) -> None:
    seen: list[int] = []
    async with serve(_gives_up_kept_connections(seen, reset=reset)) as server:
        await fetch(own, request(server))
        _, body = await fetch(own, request(server))

    assert body == b"ok"
    assert seen == [2, 1]


# Ours only, likewise.
async def test_request_is_sent_once_more_but_not_twice(own: Transport) -> None:
    seen: list[int] = []
    async with serve(_gives_up_kept_connections(seen, answer_from=9)) as server:
        await fetch(own, request(server))
        with pytest.raises(httpx.RemoteProtocolError, match="without an answer"):
            await own.handle_async_request(request(server))

    assert seen == [2, 1]


async def test_request_on_a_new_connection_is_not_sent_again(transport: httpx.AsyncBaseTransport) -> None:
    async with serve(after_request()) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await transport.handle_async_request(request(server))

        assert server.connections == 1


async def test_request_of_which_an_answer_began_is_not_sent_again(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"H")

    async with serve(script) as server:
        await fetch(transport, request(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await transport.handle_async_request(request(server))

        assert server.connections == 1


async def test_request_with_a_streamed_body_is_not_sent_again(transport: httpx.AsyncBaseTransport) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"once"

    seen: list[int] = []
    async with serve(_gives_up_kept_connections(seen)) as server:
        await fetch(transport, request(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await transport.handle_async_request(request(server, content=body()))

    assert seen == [2]


async def test_request_that_timed_out_is_not_sent_again(transport: httpx.AsyncBaseTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.gone()

    async with serve(script) as server:
        await fetch(transport, request(server))
        with pytest.raises(httpx.ReadTimeout):
            await transport.handle_async_request(request(server, first_byte=0.1, read=0.1))

        assert server.connections == 1


# Ours only: httpx's sends none once more.
async def test_request_that_the_server_worked_on_for_long_is_not_sent_again(
    own: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.providers.http1.connection._STALE_WINDOW_S", 0.1)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await asyncio.sleep(0.2)

    async with serve(script) as server:
        await fetch(own, request(server))
        with pytest.raises(httpx.RemoteProtocolError):
            await own.handle_async_request(request(server))

        assert server.connections == 1


# Ours only: httpx's sends none once more.
async def test_repeated_request_waits_at_the_head_of_the_line() -> None:
    """Its connection broke, and someone else in line took the slot."""
    order: list[bytes] = []

    async def script(peer: Peer) -> None:
        first = not order
        while True:
            head, _ = await peer.request()
            order.append(head.split(b" ")[1])
            if first and len(order) > 1:
                return
            await asyncio.sleep(0.05)
            await peer.send(OK)

    async with transport_of("own", max_connections=1) as transport, serve(script) as server:
        await fetch(transport, request(server, "/warm"))
        calls = []
        for path in ("/stale", "/a", "/b"):
            calls.append(asyncio.create_task(fetch(transport, request(server, path))))
            await asyncio.sleep(0)
        await asyncio.gather(*calls)

    assert order == [b"/warm", b"/stale", b"/a", b"/stale", b"/b"]


async def test_slow_reader_holds_the_server_back(transport: httpx.AsyncBaseTransport) -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            await peer.send(b"x" * 100_000)
            sent += 100_000

    async with serve(script) as server:
        response = await transport.handle_async_request(request(server, read=5.0))
        await asyncio.sleep(0.3)

        assert sent < 20_000_000  # the rest of it is in the kernel's buffers
        received = 0
        async for piece in response.aiter_raw():
            assert len(piece) < 500_000
            received += len(piece)
        assert received == 50_000_000


async def test_closing_the_transport_closes_every_connection(transport: httpx.AsyncBaseTransport) -> None:
    held = Held()
    async with serve(held) as server:
        held.answer()
        await fetch(transport, request(server))
        busy = asyncio.create_task(fetch(transport, request(server)))
        await until(lambda: held.waiting == 1)

        await transport.aclose()

        await until(lambda: not server.writers)
        with pytest.raises(httpx.TransportError):
            await busy


# Ours only: httpx's connects anew for them.
async def test_closing_the_transport_turns_away_who_waits() -> None:
    held = Held()
    async with transport_of("own", max_connections=1) as transport, serve(held) as server:
        calls = [asyncio.create_task(fetch(transport, request(server))) for _ in range(3)]
        await until(lambda: held.waiting == 1)

        await transport.aclose()

        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results[1:]] == [httpx.ConnectError, httpx.ConnectError]


# Ours only: httpx's connects anew for it.
async def test_closed_transport_takes_no_more_requests(own: Transport) -> None:
    async with serve(always(OK)) as server:
        await fetch(own, request(server))
        await own.aclose()

        with pytest.raises(httpx.ConnectError, match="closed"):
            await own.handle_async_request(request(server))


# Ours only: httpx's has one pool for all origins.
async def test_origins_that_are_no_longer_used_are_forgotten(own: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.providers.transport._POOLS_BEFORE_TIDYING", 3)

    async def once(server: Server) -> None:
        await fetch(own, request(server, headers={"Connection": "close"}))

    for _ in range(8):
        async with serve(always(OK)) as server:
            await once(server)

    assert len(own._pools) <= 4
