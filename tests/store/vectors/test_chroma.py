"""Chroma that is killed, hangs, refuses, or is somebody else; and what it is told."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import CacheUnavailable
from app.store.vectors import chroma_link, records
from app.store.vectors.chroma import ChromaCacheStore
from app.store.vectors.chroma_link import ChromaLink, ChromaServer
from tests.chroma_server import Chroma, running_chroma
from tests.e2e.gateway import free_port
from tests.store.vectors.entries import COLLECTION, SPACE, Clock, entry, turned, unit

OpenStore = Callable[..., ChromaCacheStore]


@pytest.fixture
async def open_chroma(clock: Clock) -> AsyncIterator[OpenStore]:
    """Stores on a server; all are closed in the end."""
    opened: list[ChromaCacheStore] = []

    def open_one(server: str | ChromaServer, prefix: str = "faults_", look_up_s: float = 20) -> ChromaCacheStore:
        server = ChromaServer(server) if isinstance(server, str) else server
        opened.append(ChromaCacheStore(server, prefix, look_up_s=look_up_s, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.aclose()


async def until_it_works(store: ChromaCacheStore, wanted: str) -> None:
    """Return when the entry is given; the test's own limit of time ends it otherwise."""
    while True:
        with contextlib.suppress(CacheUnavailable):
            if await store.get(COLLECTION, entry(wanted).id) is not None:
                return
        await asyncio.sleep(0.05)


async def test_server_that_is_killed_under_load_is_missed_at_once_and_used_again_when_it_is_back(
    tmp_path: Path, open_chroma: OpenStore
) -> None:
    with running_chroma(tmp_path / "chroma") as server:
        store = open_chroma(server.url)
        await store.put(COLLECTION, entry("kept", turned(0), expires_at=None))
        stopping = asyncio.Event()
        many_failed = asyncio.Event()
        failures: list[BaseException] = []

        async def load(number: int) -> None:
            while not stopping.is_set():
                try:
                    await store.nearest(COLLECTION, SPACE, turned(number))
                    await store.put(COLLECTION, entry(f"{number}", turned(90 + number)))
                except CacheUnavailable as exc:
                    failures.append(exc)
                    if len(failures) == 50:
                        many_failed.set()
                    await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(load(number)) for number in range(5)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.kill)
        await many_failed.wait()
        stopping.set()
        await asyncio.gather(*tasks)

        assert any("left alone for a while" in str(each) for each in failures)
        await asyncio.to_thread(server.start)
        await until_it_works(store, "kept")


async def test_server_that_hangs_costs_a_look_up_its_limit_once_and_holds_no_thread(
    tmp_path: Path, open_chroma: OpenStore
) -> None:
    with running_chroma(tmp_path / "chroma") as server:
        store = open_chroma(server.url)
        await store.put(COLLECTION, entry("kept", turned(0), expires_at=None))
        await until_it_works(store, "kept")
        store._look_up_s = 0.2

        with server.hanging():
            with pytest.raises(CacheUnavailable, match="does not answer in time"):
                await store.get(COLLECTION, entry("kept").id)
            with pytest.raises(CacheUnavailable, match="left alone for a while"):
                await store.nearest(COLLECTION, SPACE, turned(0))
            assert store._link._loop is not None
            left = asyncio.run_coroutine_threadsafe(_other_tasks(), store._link._loop)
            assert await asyncio.wrap_future(left) == 0

        await until_it_works(store, "kept")


async def _other_tasks() -> int:
    """In the loop that runs this."""
    await asyncio.sleep(0.1)
    return len(asyncio.all_tasks()) - 1


async def test_look_up_that_its_caller_gives_up_ends_in_the_other_thread_too(
    chroma: Chroma, open_chroma: OpenStore
) -> None:
    store = open_chroma(chroma.url)
    await store.warm()
    began = asyncio.Event()
    ended: list[str] = []
    here = asyncio.get_running_loop()

    async def work(_: object) -> None:
        here.call_soon_threadsafe(began.set)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    task = asyncio.create_task(store._link.do(work, 60))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.warm()

    assert ended == ["cancelled"]


async def test_nobody_at_the_address_is_an_error_with_words(open_chroma: OpenStore) -> None:
    store = open_chroma(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(CacheUnavailable, match="Chroma cannot be reached"):
        await store.get(COLLECTION, "a")
    with pytest.raises(CacheUnavailable, match="left alone"):
        await store.get(COLLECTION, "a")


async def test_client_that_is_not_ready_is_waited_for_no_longer_than_a_look_up_may_take(
    chroma: Chroma, open_chroma: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = ChromaLink._run

    def slowly(*arguments: object) -> None:
        time.sleep(0.5)
        make(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ChromaLink, "_run", slowly)
    store = open_chroma(chroma.url, look_up_s=0.05)

    with pytest.raises(CacheUnavailable, match="is not ready yet"):
        await store.get(COLLECTION, "a")

    await store.warm()


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (502, b"<html>"), (401, b'{"detail":"no"}'), (200, b"[]"), (200, b"{}")]
)
async def test_server_that_is_no_chroma_is_an_error_with_words(
    open_chroma: OpenStore, status: int, body: bytes
) -> None:
    async with answering(status, body) as (url, _):
        store = open_chroma(url)

        with pytest.raises(CacheUnavailable, match="gives an answer that cannot be understood"):
            await store.get(COLLECTION, "a")


@pytest.mark.parametrize(
    ("user", "token", "authorization"),
    [
        ("", "s3cret", "Bearer s3cret"),
        ("al%40ice:p%3Aw@", None, "Basic YWxAaWNlOnA6dw=="),
        ("a:b@", "s3cret", "Basic YTpi"),
    ],
)
async def test_credentials_go_into_headers_and_stay_out_of_errors_and_logs(
    open_chroma: OpenStore, caplog: pytest.LogCaptureFixture, user: str, token: str | None, authorization: str
) -> None:
    caplog.set_level(0)
    async with answering(401, b"no") as (url, heads):
        server = ChromaServer(url.replace("//", f"//{user}") + "/behind/a/proxy", token)
        store = open_chroma(server)

        with pytest.raises(CacheUnavailable) as caught:
            await store.warm()

    head = heads[0].decode()
    assert head.startswith("GET /behind/a/proxy/api/v2 HTTP/1.1\r\n")
    assert f"authorization: {authorization}\r\n" in head.replace("Authorization", "authorization")
    assert ("x-chroma-token: s3cret\r\n" in head.lower()) == (token is not None)
    for secret in ("s3cret", "p%3Aw", "p:w", "YWxA"):
        assert secret not in f"{caught.value} {server} {caplog.text}"


@contextlib.asynccontextmanager
async def answering(status: int, body: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that says the same to everyone, and the heads of what it was sent."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", heads


async def test_collection_that_does_not_compare_by_cosine_is_refused(chroma: Chroma, open_chroma: OpenStore) -> None:
    store = open_chroma(chroma.url, "l2_")
    await store._link.do(
        lambda client: client.create_collection(
            store._name(COLLECTION, ""),
            configuration={"hnsw": {"space": "l2"}},
        ),
        20,
    )

    with pytest.raises(CacheUnavailable, match="compares by 'l2', not by cosine"):
        await store.nearest(COLLECTION, SPACE, turned(0))


async def test_vector_of_another_length_is_refused_in_words_and_the_store_goes_on(
    chroma: Chroma, open_chroma: OpenStore
) -> None:
    store = open_chroma(chroma.url, "lengths_")
    await store.put(COLLECTION, entry("a", turned(0)))

    with pytest.raises(CacheUnavailable, match=r"refuses: .*dimension of 8, got 3"):
        await store.put(COLLECTION, entry("b", unit(1, 2, 3)))

    assert await store.get(COLLECTION, entry("a").id) is not None


async def test_answer_that_a_server_would_not_take_is_not_sent(
    chroma: Chroma, open_chroma: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_ANSWER_BYTES", 100)
    store = open_chroma(chroma.url, "large_")

    with pytest.raises(CacheUnavailable, match="takes no answer of 200 bytes"):
        await store.put(COLLECTION, replace(entry("a", turned(0)), answer=bytes(range(200))))

    assert await store.get(COLLECTION, entry("a").id) is None


async def test_collections_of_others_are_neither_listed_nor_swept(chroma: Chroma, open_chroma: OpenStore) -> None:
    ours, theirs = open_chroma(chroma.url, "ours_"), open_chroma(chroma.url, "theirs_")
    await ours.put("a", entry("a", turned(0), expires_at=1))
    await theirs.put("b", entry("b", turned(0), expires_at=1))
    await theirs._link.do(lambda client: client.create_collection("ours_made-by-somebody-else"), 20)

    assert await ours.collections() == ["a"]
    assert await ours.sweep(2) == 1
    assert await theirs.sweep(2) == 1


async def test_record_that_was_written_by_somebody_else_is_not_given(chroma: Chroma, open_chroma: OpenStore) -> None:
    store = open_chroma(chroma.url, "foreign_")
    await store.put(COLLECTION, entry("a", turned(0)))
    there = store._known[store._name(COLLECTION, "")]
    foreign: Any = {"space": SPACE, "expires_at": 1e15, "answer": "not base64 of zlib"}
    await store._link.do(
        lambda _: there.upsert(ids=["x"], embeddings=[1.0] + [0.0] * 7, metadatas=[foreign]),
        20,
    )

    assert await store.get(COLLECTION, "x") is None
    assert [each.question for each, _ in await store.nearest(COLLECTION, SPACE, turned(0))] == ["a"]


async def test_client_that_cannot_be_made_is_no_fault_of_the_call_and_stops_no_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: ChromaServer) -> None:
        raise ModuleNotFoundError("No module named 'chromadb'")

    monkeypatch.setattr(chroma_link, "_make_client", fail)
    store = ChromaCacheStore(ChromaServer("http://127.0.0.1:1"), "test-", look_up_s=5)

    for work in (store.warm(), store.get("c1", "a"), store.get("c1", "a")):
        with pytest.raises(CacheUnavailable, match="No module named 'chromadb'"):
            await work
    await store.aclose()
