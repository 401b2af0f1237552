"""A million calls in an SQLite file: how large they are, and how long reports and pages take. `python -m benchmarks.rows`."""

import argparse
import asyncio
import contextlib
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

from app.metering.reports import Reports
from app.metering.requests import Requests, want
from app.store.db import open_database
from app.store.requests import insert_calls
from app.store.schema import upgrade
from app.store.selection import Selection

DAYS = 90
LAST_DAY = 20_760
"""The newest calls are of this day, counted from 1970; any will do."""

_MODELS = (
    ("openai", "gpt-5.1"),
    ("openai", "gpt-5-mini-2025-08-07"),
    ("openai", "text-embedding-3-small"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("google", "gemini-3-flash-preview"),
    ("google", "gemini-2.5-pro"),
    ("groq", "meta-llama/llama-4-scout-17b-16e-instruct"),
    ("mistral", "mistral-large-latest"),
    ("deepseek", "deepseek-chat"),
    ("perplexity", "sonar-pro"),
    ("openrouter", "qwen/qwen3-235b-a22b-2507"),
)
_SURFACES = ("chat", "chat", "chat", "messages", "responses", "ollama_chat", "embeddings")
_TAGS = ("", "", "production", "staging", "batch,nightly", "production,team-search", "evaluation", "team-support")
_ERRORS = (
    (429, "Rate limit reached for this model on tokens per min. Please try again in 1.2s."),
    (502, "The provider could not be reached."),
    (400, "Unsupported parameter: 'max_tokens' is not supported with this model."),
)
_HOURS = (1, 1, 1, 1, 1, 2, 3, 5, 9, 12, 13, 12, 9, 12, 13, 12, 10, 8, 5, 4, 3, 3, 2, 2)
"""How busy each hour of a day is."""


@dataclass(frozen=True)
class Habit:
    """What somebody does again and again."""

    token_id: str
    username: str
    client: str
    tags: str
    name: str
    alias: str | None
    provider: str
    model: str
    surface: str


def habits(chance: random.Random, tokens: int = 200) -> tuple[list[Habit], list[float]]:
    """What the holders of so many tokens do, and how often: few do a lot of it."""
    found, weights = [], []
    for number in range(tokens):
        token_id, user = f"{number:08d}", f"user{number % 70:02d}"
        for _ in range(chance.choice((1, 2, 3, 6))):
            provider, model = chance.choice(_MODELS)
            alias = chance.choice((None, None, None, "fast", "assistant"))
            found.append(
                Habit(
                    token_id,
                    user,
                    f"10.1.{number % 9}.{chance.randrange(250)}",
                    chance.choice(_TAGS),
                    alias or chance.choice((model, f"{provider}/{model}")),
                    alias,
                    provider,
                    model,
                    chance.choice(_SURFACES),
                )
            )
            weights.append(chance.paretovariate(1.1) / (number + 5))
    return found, weights


def rows(count: int, tokens: int = 200) -> Iterator[dict[str, object]]:
    """So many calls in the order of their arrival, the same with each run."""
    chance = random.Random(4)
    each, weights = habits(chance, tokens)
    moments = sorted(
        (LAST_DAY - DAYS + 1 + chance.randrange(DAYS)) * 86_400
        + chance.choices(range(24), _HOURS)[0] * 3600
        + chance.random() * 3600
        for _ in range(count)
    )
    processes = [f"{chance.getrandbits(64):016x}" for _ in range(4)]
    parent = ""
    for number, (moment, habit) in enumerate(zip(moments, chance.choices(each, weights, k=count), strict=True)):
        if number % 10_000 == 0:  # a restart now and then
            processes = [f"{chance.getrandbits(64):016x}" for _ in range(4)]
        call_id = f"req_{chance.choice(processes)}{number:08x}"
        yield _row(chance, call_id, moment, habit, parent if chance.random() < 0.03 else None)
        parent = call_id


def _row(chance: random.Random, call_id: str, moment: float, habit: Habit, parent: str | None) -> dict[str, object]:
    status, error = chance.choice(_ERRORS) if chance.random() < 0.05 else (200, None)
    took = int(chance.lognormvariate(7.5, 0.8))
    prompt, completion = int(chance.lognormvariate(6.5, 1.2)), int(chance.lognormvariate(5.5, 1))
    known = chance.random() < 0.97
    return {
        "id": call_id,
        "received_at": moment,
        "parent_id": parent,
        "helper": "designator" if parent else None,
        "token_id": habit.token_id,
        "username": habit.username,
        "end_user": f"user-{chance.getrandbits(32):08x}" if chance.random() < 0.2 else None,
        "tags": habit.tags,
        "name": habit.name,
        "alias": habit.alias,
        "router": None,
        "cache": None,
        "augmentor": None,
        "provider": habit.provider,
        "model": habit.model,
        "surface": habit.surface,
        "streamed": chance.random() < 0.6,
        "status": status,
        "outcome": "error" if error else "ok",
        "input_tokens": 0 if error else prompt,
        "cache_read_tokens": prompt * 3 if chance.random() < 0.3 else 0,
        "cache_write_tokens": prompt // 2 if chance.random() < 0.1 else 0,
        "cache_write_1h_tokens": 0,
        "input_audio_tokens": 0,
        "input_image_tokens": 0,
        "output_tokens": 0 if error else completion,
        "reasoning_tokens": completion // 2 if chance.random() < 0.3 else 0,
        "output_audio_tokens": 0,
        "output_image_tokens": 0,
        "images": 0,
        "searches": 0,
        "requests": 0 if error else 1,
        "audio_ms": 0,
        "service_tier": None,
        "usage_estimated": chance.random() < 0.02,
        "cost": Decimal(prompt * 3 + completion * 15) / 1_000_000 if known else None,
        "reported_cost": None,
        "price_version": "genai-prices 0.0.41" if known else None,
        "cache_hit": False,
        "first_byte_ms": None if error else took // 4,
        "total_ms": took,
        "client": habit.client,
        "charged": parent is None and not error,
        "attempts": 1,
        "rescued": False,
        "warnings": "logprobs" if chance.random() < 0.03 else None,
        "error": error,
        "asked_ms": None if error else 3,
        "story": None,
    }


async def fill(path: Path, count: int, tokens: int) -> float:
    """Write so many calls to the database at `path`, as the gateway does; the CPU time of one in µs."""
    database = open_database(f"sqlite:///{path}")
    await upgrade(database)
    spent, left = 0.0, rows(count, tokens)
    while batch := list(islice(left, 500)):
        begun = time.process_time()
        await insert_calls(database, batch)
        spent += time.process_time() - begun
    await database.aclose()
    return spent / count * 1e6


async def measure(path: Path) -> dict[str, tuple[float, float]]:
    """Milliseconds of each read, by the clock and of CPU time; the medians of five after one that warms up."""
    database = open_database(f"sqlite:///{path}")
    reports, requests = Reports(database), Requests(database)
    month, quarter = (Selection(LAST_DAY - days + 1, LAST_DAY) for days in (30, DAYS))
    tagged, rare = replace(month, filters={"tags": ("production",)}), replace(month, filters={"tokens": ("00000150",)})
    of_provider = replace(quarter, filters={"providers": ("openai",)})
    deep = (await requests.page(want(Selection(month.first_day, LAST_DAY - 25)), limit=50)).next_cursor
    reads: dict[str, Callable[[], Awaitable[object]]] = {
        "summary, 30 days": lambda: reports.summary(month),
        "summary, 90 days": lambda: reports.summary(quarter),
        "summary with a tag, 30 days": lambda: reports.summary(tagged),
        "summary of a provider, 90 days": lambda: reports.summary(of_provider),
        "by model, 30 days": lambda: reports.by("model", month),
        "series by day, 30 days": lambda: reports.timeseries(month, "day"),
        "series by day, 90 days": lambda: reports.timeseries(quarter, "day"),
        "series by hour, 7 days": lambda: reports.timeseries(Selection(LAST_DAY - 6, LAST_DAY), "hour"),
        "series by hour, 30 days": lambda: reports.timeseries(month, "hour"),
        "series by hour with a tag, 30 days": lambda: reports.timeseries(tagged, "hour"),
        "first page": lambda: requests.page(want(quarter)),
        "first page with total": lambda: requests.page(want(quarter), with_total=True),
        "page far down": lambda: requests.page(want(month), cursor=deep),
        "page with a tag": lambda: requests.page(want(tagged)),
        "page of a token that calls seldom": lambda: requests.page(want(rare)),
        "page of errors": lambda: requests.page(want(month, status="error")),
        "page by cost, 30 days": lambda: requests.page(want(month, sort="cost")),
        "page by cost, 90 days": lambda: requests.page(want(quarter, sort="cost")),
        "page by tokens, 90 days": lambda: requests.page(want(quarter, sort="input_tokens")),
        "page by duration, 90 days": lambda: requests.page(want(quarter, sort="response_time_ms")),
        "page by cost with a tag, 30 days": lambda: requests.page(want(tagged, sort="cost")),
        "page by cost of a token that calls seldom, 30 days": lambda: requests.page(want(rare, sort="cost")),
    }
    try:
        return {name: await _median_ms(read) for name, read in reads.items()}
    finally:
        await database.aclose()


async def _median_ms(read: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    await read()
    took, spent = [], []
    for _ in range(5):
        begun, begun_cpu = time.perf_counter(), time.process_time()
        await read()
        took.append(time.perf_counter() - begun)
        spent.append(time.process_time() - begun_cpu)
    return statistics.median(took) * 1000, statistics.median(spent) * 1000


def sizes(path: Path, count: int) -> dict[str, float]:
    """Bytes a call of each table and index, by SQLite's own account."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sum(pgsize) FROM dbstat GROUP BY name HAVING sum(pgsize) > 100000")
        return {name: size / count for name, size in rows}


def main() -> None:
    """Fill a file, unless it is there, and print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tokens", type=int, default=200, help="each with some three habits; sums grow with them")
    parser.add_argument("--file", type=Path, default=Path(tempfile.gettempdir()) / "relay-rows.db")
    given = parser.parse_args()
    if not given.file.exists():
        print(f"{asyncio.run(fill(given.file, given.rows, given.tokens)):8.1f} µs of CPU to write a call")
    for name, size in sizes(given.file, given.rows).items():
        print(f"{size:8.1f} bytes a call: {name}")
    for name, (took, spent) in asyncio.run(measure(given.file)).items():
        print(f"{took:8.1f} ms, {spent:6.1f} of CPU: {name}")


if __name__ == "__main__":
    main()
