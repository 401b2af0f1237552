"""The loads of the benchmark: what each does to one target, and the figures that come of it."""

import gc
import statistics
from array import array
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import uvloop

from benchmarks import load, measure, messages, wire
from benchmarks.figures import Sample

RELAY = "relay"
CONNECTIONS = 32
STREAMS = 128

_WARMUP_S = 0.4

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """How long and how often. The defaults keep a run with two peers under four minutes."""

    rounds: int = 5
    seconds: float = 2.0
    latency_calls: int = 1000
    latency_s: float = 3.0


QUICK = Plan(rounds=2, seconds=0.8, latency_calls=300, latency_s=1.0)


@dataclass(frozen=True)
class Target:
    """Something that can be called: a gateway, or the stand-in itself; `direct` is the stand-in in any case."""

    name: str
    pid: int
    address: load.Address
    direct: load.Address


def measure_saturated(exchange: wire.Exchange, key: str, plan: Plan, target: Target) -> Sample:
    """CPU a request and requests a second, with the next call sent as soon as one has ended."""
    measured = _run(
        load.closed_loop(
            target.address,
            exchange,
            connections=CONNECTIONS,
            warmup_s=_WARMUP_S,
            seconds=plan.seconds,
            read_cpu_ns=partial(measure.cpu_ns, target.pid),
        )
    )
    return {f"{key}_cpu_us": measured.cpu_us_each, f"{key}_per_s": measured.per_s, f"{key}_busy": measured.busy}


def measure_paced(_: Plan, target: Target) -> Sample:
    """CPU a chunk, with many streams that each bring one chunk in 20 ms."""
    read_cpu_ns = partial(measure.cpu_ns, target.pid)
    measured = _run(load.paced_streams(target.address, wire.PACED, streams=STREAMS, read_cpu_ns=read_cpu_ns))
    return {"paced_cpu_us": measured.cpu_us_each, "paced_busy": measured.busy}


def measure_latency(plan: Plan, target: Target) -> Sample:
    """What a call takes on one idle connection, and how much of that is added to the direct call before it."""
    whole, whole_direct = _latencies(plan, target, wire.SMALL)
    first_byte, first_byte_direct = _latencies(plan, target, wire.BURST)
    sample = {
        "call_p50_ms": _percentile_ms(whole.whole_s, 50),
        "first_byte_p50_ms": _percentile_ms(first_byte.first_byte_s, 50),
    }
    if target.address != target.direct:
        for percent in (50, 99):
            sample[f"added_p{percent}_ms"] = _percentile_ms(whole.whole_s, percent) - _percentile_ms(
                whole_direct.whole_s, percent
            )
            sample[f"first_byte_added_p{percent}_ms"] = _percentile_ms(
                first_byte.first_byte_s, percent
            ) - _percentile_ms(first_byte_direct.first_byte_s, percent)
    return sample


def measure_translated(plan: Plan, target: Target) -> Sample:
    """CPU a chunk and a request of streams that cross between two APIs, and over what passing through costs at the same time.

    Only the gateway itself: the stand-in translates nothing, and what peers can is theirs to measure.
    """
    if target.name != RELAY:
        return {}
    sample: Sample = {}
    passed, passed_burst = _paced_cpu_us(wire.PACED, target), _burst_cpu_us(wire.BURST, plan, target)
    for key, paced, burst in (
        ("from_messages", messages.PACED_FROM, messages.BURST_FROM),
        ("to_messages", messages.PACED_TO, messages.BURST_TO),
    ):
        cpu_us, burst_cpu_us = _paced_cpu_us(paced, target), _burst_cpu_us(burst, plan, target)
        sample |= {f"{key}_cpu_us": cpu_us, f"{key}_ratio": cpu_us / passed}
        sample |= {f"{key}_burst_cpu_us": burst_cpu_us, f"{key}_burst_ratio": burst_cpu_us / passed_burst}
    return sample


LOADS: dict[str, Callable[[Plan, Target], Sample]] = {
    "small": partial(measure_saturated, wire.SMALL, "small"),
    "burst": partial(measure_saturated, wire.BURST, "burst"),
    "paced": measure_paced,
    "latency": measure_latency,
    "translated": measure_translated,
}


def _paced_cpu_us(exchange: wire.Exchange, target: Target) -> float:
    read_cpu_ns = partial(measure.cpu_ns, target.pid)
    return _run(load.paced_streams(target.address, exchange, streams=STREAMS, read_cpu_ns=read_cpu_ns)).cpu_us_each


def _burst_cpu_us(exchange: wire.Exchange, plan: Plan, target: Target) -> float:
    return measure_saturated(exchange, "burst", plan, target)["burst_cpu_us"]


def _latencies(plan: Plan, target: Target, exchange: wire.Exchange) -> tuple[load.Latencies, load.Latencies]:
    """Of the target and of the stand-in, called in turn."""
    addresses = [target.direct, target.address]
    direct, through = _run(load.interleaved(addresses, exchange, calls=plan.latency_calls, seconds=plan.latency_s))
    return through, direct


def _percentile_ms(seconds: "array[float]", percent: int) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1000


def _run(work: Coroutine[Any, Any, T]) -> T:
    gc.collect()
    gc.disable()  # a collection of ours would be a latency of theirs
    try:
        return uvloop.run(work)
    finally:
        gc.enable()
