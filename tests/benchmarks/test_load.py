"""The load against the stand-in: what it counts, and that a wrong reply voids it."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import uvloop

from benchmarks import load, measure, servers, wire


@pytest.fixture(scope="module")
def direct() -> Iterator[load.Address]:
    with servers.stand_in(measure.cores()[1]) as (_, port):
        yield load.Address(port)


def saturate(address: load.Address, exchange: wire.Exchange) -> load.Throughput:
    return uvloop.run(
        load.closed_loop(address, exchange, connections=4, warmup_s=0.05, seconds=0.2, read_cpu_ns=lambda: 0)
    )


@pytest.mark.parametrize("exchange", [wire.SMALL, wire.BURST], ids=lambda exchange: exchange.model)
def test_closed_loop_counts_the_calls_of_its_time(direct: load.Address, exchange: wire.Exchange) -> None:
    measured = saturate(direct, exchange)

    assert measured.done > 8
    assert measured.seconds == pytest.approx(0.2, rel=0.5)


def test_paced_streams_bring_one_chunk_each_in_a_pace(direct: load.Address) -> None:
    measured = uvloop.run(load.paced_streams(direct, wire.PACED, streams=4, read_cpu_ns=lambda: 0))

    assert measured.per_s == pytest.approx(4 / wire.PACE_S, rel=0.2)


def test_interleaved_calls_are_recorded_for_each_address(direct: load.Address) -> None:
    measured = uvloop.run(load.interleaved([direct, direct], wire.BURST, calls=20, seconds=5))

    assert [len(latencies.whole_s) for latencies in measured] == [20, 20]
    assert all(
        0 < first_byte_s <= whole_s
        for latencies in measured
        for first_byte_s, whole_s in zip(latencies.first_byte_s, latencies.whole_s, strict=True)
    )


@pytest.mark.parametrize(
    "exchange",
    [
        replace(wire.SMALL, mark=b"another text"),
        replace(wire.SMALL, text="another text"),
        replace(wire.BURST, marks=wire.BURST.marks + 1),
    ],
    ids=["mark", "text", "a chunk too few"],
)
def test_one_wrong_reply_voids_the_load(direct: load.Address, exchange: wire.Exchange) -> None:
    with pytest.raises(load.BadReply):
        saturate(direct, exchange)


def test_error_status_voids_the_load(direct: load.Address, monkeypatch: pytest.MonkeyPatch) -> None:
    right = wire.SMALL.request("127.0.0.1", "").replace(b"/v1/chat/completions", b"/v1/nothing")
    monkeypatch.setattr(wire.Exchange, "request", lambda *_: right)

    with pytest.raises(load.BadReply, match="status 404"):
        saturate(direct, wire.SMALL)


def test_server_that_is_not_there_voids_the_load() -> None:
    with pytest.raises(load.BadReply, match="no connection"):
        saturate(load.Address(servers.free_port()), wire.SMALL)


@pytest.mark.parametrize("include_usage", [False, True])
def test_stream_carries_usage_only_where_it_is_asked_for(include_usage: bool) -> None:
    events = b"".join(wire.stream_reply("bench-burst", 4, include_usage=include_usage)).split(b"data: ")[1:]
    chunks = [json.loads(event.partition(b"\n")[0]) for event in events[:-1]]

    assert len(chunks) == 4 + include_usage
    assert [chunk["usage"] is not None for chunk in chunks if "usage" in chunk] == [False] * 4 * include_usage + [
        True
    ] * include_usage
