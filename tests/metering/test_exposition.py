"""The metrics as Prometheus reads them: by the parser of its own client, and of all workers together."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from app import __version__
from app.core.record import Failure
from app.metering.exposition import LIVE_S, Exposition
from app.metering.families import BACKLOG, BACKLOG_LIMIT, BREAKERS, FAMILIES, FIRST_BYTES_S, PREFIX, UNDER_WAY
from app.metering.metrics import Labels, Metrics, Values
from tests.calls import make_record

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
GPT = {"provider": "openai", "model": "gpt-x"}


def gauges() -> Values:
    breakers: dict[Labels, float] = {("openai", "gpt-x", "open"): 1.0}
    shared: Values = {BACKLOG.name: {(): 100.0}, BACKLOG_LIMIT.name: {(): 900.0}}
    return {UNDER_WAY.name: {(): 3.0}, BREAKERS.name: breakers, **shared}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def worker(folder: Path | None = None, clock: Clock | None = None) -> tuple[Metrics, Exposition]:
    metrics = Metrics(lambda: {("openai", "gpt-x")})
    return metrics, Exposition(metrics, gauges, folder, clock=clock or Clock())


async def samples(exposition: Exposition) -> Samples:
    text, media_type = await exposition.render()
    assert media_type.startswith("text/plain; version=")
    return {
        (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
        for family in parse(text.decode())
        for sample in family.samples
    }


def at(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_one_worker_tells_what_it_counted_and_what_is() -> None:
    metrics, exposition = worker()
    failure = Failure("timeout", "openai", "gpt-x", 0, "slow")
    metrics.observe([make_record(cost=Decimal("0.5"), cache="faq", cache_hit=True, failures=(failure,))])

    found = await samples(exposition)

    assert found[at("calls_total", **GPT, surface="chat", outcome="ok", status="2xx")] == 1
    assert found[at("tokens_total", **GPT, **{"class": "cache_read"})] == 5
    assert found[at("cost_usd_total", **GPT)] == 0.5
    assert found[at("cache_hits_total", cache="faq")] == 1
    assert found[at("failed_attempts_total", **GPT, kind="timeout")] == 1
    assert found[at("breakers", **GPT, state="open")] == 1
    assert (found[at("calls_under_way")], found[at("journal_backlog_bytes")], found[at("workers")]) == (3, 100, 1)
    assert found[at("build_info", version=__version__)] == 1


async def test_histogram_is_cumulative() -> None:
    metrics, exposition = worker()
    metrics.observe([make_record(first_byte_ms=ms) for ms in (10, 120, 120, 99_000)])

    found = await samples(exposition)

    buckets = [found[at("first_byte_seconds_bucket", **GPT, le=le)] for le in (*map(str, FIRST_BYTES_S), "+Inf")]
    assert buckets == [1, 1, 3, 3, 3, 3, 3, 3, 3, 3, 4]
    assert found[at("first_byte_seconds_count", **GPT)] == 4
    assert found[at("first_byte_seconds_sum", **GPT)] == pytest.approx(99.25)


async def test_openmetrics_is_told_where_it_is_asked_for() -> None:
    metrics, exposition = worker()
    metrics.observe([make_record(model='quote"and\nline')])

    text, media_type = await exposition.render("application/openmetrics-text; version=1.0.0")

    assert media_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(text.decode())}  # type: ignore[no-untyped-call]
    assert names == {PREFIX + family.name for family in FAMILIES}
    assert b'model="quote\\"and\\nline"' in text


async def test_whoever_is_asked_tells_of_all_workers(tmp_path: Path) -> None:
    workers = [worker(tmp_path) for _ in range(3)]
    for count, (metrics, exposition) in enumerate(workers, 1):
        metrics.observe([make_record(cost=Decimal(1), total_ms=50)] * count)
        await exposition.write()

    for _, exposition in workers:
        found = await samples(exposition)

        assert found[at("calls_total", **GPT, surface="chat", outcome="ok", status="2xx")] == 6
        assert found[at("cost_usd_total", **GPT)] == 6
        assert found[at("call_duration_seconds_bucket", **GPT, le="0.1")] == 6
        assert (found[at("workers")], found[at("calls_under_way")], found[at("breakers", **GPT, state="open")]) == (
            3,
            9,
            3,
        )
        assert (found[at("journal_backlog_bytes")], found[at("journal_limit_bytes")]) == (100, 900)


async def test_what_was_told_once_is_never_less_the_next_time(tmp_path: Path) -> None:
    (metrics, exposition), (_, other) = worker(tmp_path), worker(tmp_path)
    await exposition.write()
    metrics.observe([make_record()] * 5)

    told = [(await samples(each)) for each in (exposition, other)]

    key = at("calls_total", **GPT, surface="chat", outcome="ok", status="2xx")
    assert [found[key] for found in told] == [5, 5]


async def test_worker_that_died_leaves_what_it_counted_and_nothing_under_way(tmp_path: Path, clock: Clock) -> None:
    (metrics, dead), (_, living) = worker(tmp_path, clock), worker(tmp_path, clock)
    metrics.observe([make_record()])
    await dead.write()
    clock.now += LIVE_S

    found = await samples(living)

    assert found[at("calls_total", **GPT, surface="chat", outcome="ok", status="2xx")] == 1
    assert (found[at("workers")], found[at("calls_under_way")]) == (1, 3)


async def test_file_that_is_broken_is_told_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "broken.json").write_bytes(b'{"at": ')
    _, exposition = worker(tmp_path)

    assert (await samples(exposition))[at("workers")] == 1
    assert "broken.json" in caplog.text


async def test_folder_that_is_gone_is_told_and_the_worker_tells_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, exposition = worker(tmp_path / "gone")
    metrics.observe([make_record()])

    found = await samples(exposition)

    assert found[at("calls_total", **GPT, surface="chat", outcome="ok", status="2xx")] == 1
    assert "cannot be written" in caplog.text
