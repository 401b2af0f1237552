"""A request's body: whole, bounded, decompressed."""

import gzip
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import Any

import pytest

from app.api.body import ClientGone, read_body
from app.core.errors import BodyTooLarge, InvalidRequest

LIMIT = 1000
GONE: dict[str, Any] = {"type": "http.disconnect"}


def packed(plain: bytes) -> bytes:
    """As gzip, without the time, which would give the tests other names in every run."""
    return gzip.compress(plain, mtime=0)


class Sender:
    """The receiving end of ASGI, with these messages."""

    def __init__(self, *messages: Mapping[str, Any]) -> None:
        self.waiting = list(messages)

    async def __call__(self) -> Mapping[str, Any]:
        return self.waiting.pop(0)


def sending(*pieces: bytes) -> Sender:
    last = len(pieces) - 1
    return Sender(*[{"type": "http.request", "body": piece, "more_body": at < last} for at, piece in enumerate(pieces)])


async def read(receive: Sender, *, encoding: bytes = b"", declared: bytes = b"") -> bytes:
    return await read_body(receive, encoding=encoding, declared=declared, limit=LIMIT)


@pytest.mark.parametrize("pieces", [[b"abc"], [b"a", b"", b"bc"], [b"", b"abc"], [b"abc", b""]])
async def test_pieces_are_put_together(pieces: list[bytes]) -> None:
    assert await read(sending(*pieces)) == b"abc"


async def test_empty_message_is_an_empty_body() -> None:
    assert await read(Sender({"type": "http.request"})) == b""


@pytest.mark.parametrize("before", [[], [{"type": "http.request", "body": b"a", "more_body": True}]])
async def test_client_that_leaves_before_its_end_is_gone(before: list[dict[str, Any]]) -> None:
    with pytest.raises(ClientGone):
        await read(Sender(*before, GONE))


@pytest.mark.parametrize("pieces", [[b"x" * LIMIT], [b"x" * 400, b"x" * 600]])
async def test_body_as_large_as_the_limit_is_taken(pieces: list[bytes]) -> None:
    assert len(await read(sending(*pieces), declared=b"1000")) == LIMIT


@pytest.mark.parametrize("pieces", [[b"x" * (LIMIT + 1)], [b"x" * 600, b"x" * 401]])
async def test_larger_body_is_refused_whatever_its_length_was_said_to_be(pieces: list[bytes]) -> None:
    with pytest.raises(BodyTooLarge, match="MAX_BODY_BYTES") as caught:
        await read(sending(*pieces), declared=b"5")

    assert caught.value.status == 413


@pytest.mark.parametrize("declared", [b"1001", b"9" * 5000])
async def test_body_that_says_it_is_larger_is_refused_unread(declared: bytes) -> None:
    receive = sending(b"x")

    with pytest.raises(BodyTooLarge):
        await read(receive, declared=declared)

    assert len(receive.waiting) == 1


async def test_body_without_end_is_read_no_further_than_the_limit() -> None:
    receive = sending(*[b"x" * 100] * 1000)

    with pytest.raises(BodyTooLarge):
        await read(receive)

    assert len(receive.waiting) > 980


@pytest.mark.parametrize("declared", [b"", b"abc", b"-1", "\u0665".encode()])
async def test_length_that_is_none_is_passed_over(declared: bytes) -> None:
    assert await read(sending(b"abc"), declared=declared) == b"abc"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"identity", b"abc"),
        (b"gzip", packed(b"abc")),
        (b"x-gzip", packed(b"abc")),
        (b"deflate", zlib.compress(b"abc")),
    ],
)
async def test_compressed_body_is_decompressed(encoding: bytes, body: bytes) -> None:
    assert await read(sending(body[:5], body[5:]), encoding=encoding) == b"abc"


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
async def test_limit_holds_after_decompression(size: int) -> None:
    body = packed(b"x" * size)

    if size <= LIMIT:
        assert len(await read(sending(body), encoding=b"gzip")) == size
        return
    with pytest.raises(BodyTooLarge):
        await read(sending(body), encoding=b"gzip")


async def test_bomb_is_not_unpacked() -> None:
    bomb = packed(b"\0" * 20_000_000)
    tracemalloc.start()

    try:
        with pytest.raises(BodyTooLarge):
            await read_body(sending(bomb), encoding=b"gzip", declared=b"", limit=100_000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 1_000_000


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", b"plain"),
        (b"gzip", b""),
        (b"gzip", packed(b"abc")[:-1]),
        (b"gzip", packed(b"abc") + packed(b"def")),
        (b"gzip", zlib.compress(b"abc")),
        (b"deflate", b"plain"),
        (b"br", b"abc"),
        (b"gzip, gzip", b"abc"),
        (b"\xff", b"abc"),
    ],
)
async def test_body_that_is_not_of_its_encoding_is_the_clients_fault(encoding: bytes, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await read(sending(body), encoding=encoding)

    assert caught.value.status == 400
