"""A gateway's database as some weeks of use leave it: for screenshots, and for tests that need every page to have something on it."""

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import insert

from app.core.audit import ACTOR, Actor
from app.core.record import CallRecord, Failure
from app.core.reply import Outcome
from app.core.smart import Alias, Augmentor, Cache, Redirect, Router, SmartModel
from app.core.updates import Update
from app.core.usage import Usage
from app.metering.rows import insert_records
from app.store.audit import note
from app.store.db import Database, open_database
from app.store.monitors.deliveries import queue_deliveries
from app.store.monitors.webhooks import Webhook, take_webhook
from app.store.schema import upgrade
from app.store.smart_models import add_to_stats, put_smart_models, read_smart_models
from app.store.spent import count_spent
from app.store.tables import QUOTA_DAYS
from app.store.times import MS_PER_DAY, MS_PER_HOUR, now_ms
from app.store.tokens import StoredToken, insert_tokens
from tests.calls import make_record
from tests.e2e.gateway import Gateway
from tests.monitor_rows import forwarding_to, put_group, put_monitor

Dress = Callable[[str], str]
"""What is done to each text that somebody outside could have chosen."""

USERS = ("ana", "ben", "carla", "support-bot", "nightly-evals")
TAGS = (("team-search",), ("team-search", "prod"), ("prod",), ("evals",), ())
# Provider, model, USD per million tokens of the request, out of the provider's cache, and of the reply; usual first byte in ms, share of
# the calls.
MODELS = (
    ("openai", "gpt-4.1-mini", "0.4", "0.1", "1.6", 420, 34),
    ("anthropic", "claude-sonnet-4-5", "3", "0.3", "15", 780, 22),
    ("google", "gemini-2.5-flash", "0.3", "0.03", "2.5", 510, 18),
    ("groq", "llama-3.3-70b-versatile", "0.59", "0.59", "0.79", 140, 12),
    ("ollama", "qwen3:8b", "0", "0", "0", 260, 9),
    ("perplexity", "sonar-pro", "3", "3", "15", 1400, 5),
)
REFUSALS = (
    ("rate_limit", 429, "Rate limit reached for requests per minute. Please try again in 2s."),
    ("server_error", 503, "The model is overloaded. Please try again later."),
    ("auth_error", 401, "Incorrect API key provided."),
    ("timeout", 504, "No first byte came within 60 s."),
)
NAMES: tuple[SmartModel, ...] = (
    Alias(name="fast", target="groq/llama-3.3-70b-versatile", description="Short answers, soon.", tags=("prod",)),
    Alias(name="best", target="anthropic/claude-sonnet-4-5", description="For what may take its time."),
    Redirect(
        name="gpt-4*", target="openai/gpt-4.1-mini", description="Old names of clients that nobody changes any more."
    ),
    Router(
        name="auto",
        description="Picks by what is asked.",
        designator_model="openai/gpt-4.1-mini",
        purpose="Code and proofs to the strongest, small talk to the cheapest.",
        candidates=[
            {"model": "anthropic/claude-sonnet-4-5", "notes": "code, long documents"},
            {"model": "groq/llama-3.3-70b-versatile", "notes": "small talk, short facts"},
        ],
        fallback_model="openai/gpt-4.1-mini",
    ),
    Cache(name="faq", target_model="openai/gpt-4.1-mini", description="What customers ask again and again."),
    Augmentor(
        name="with-news",
        designator_model="openai/gpt-4.1-mini",
        target_model="anthropic/claude-sonnet-4-5",
        description="Looks up what happened of late.",
    ),
)


_DESCRIPTION = 2000  # the most characters that one may have
WATCHED = "monitor_of_sample"
"""Parallel's id of the monitor that found something, where no other one is given."""


def fill_gateway(
    gateway: Gateway, *, calls: int = 4000, days: int = 60, dress: Dress = str, watched: str = WATCHED
) -> None:
    """The database of a gateway, also before its first start."""

    async def run() -> None:
        database = open_database(gateway.database_url)
        try:
            await upgrade(database)
            await fill(database, calls=calls, days=days, dress=dress, watched=watched)
        finally:
            await database.aclose()

    with ThreadPoolExecutor(1) as pool:  # a browser has the loop of this thread
        pool.submit(asyncio.run, run()).result()
    gateway.token = gateway.add_token("operator", admin=True)  # a database with tokens shows none at its first start


async def fill(database: Database, *, calls: int, days: int, dress: Dress = str, watched: str = WATCHED) -> None:
    """Tokens, names, calls up to now, alerts, monitors with what they found, and who changed what; the same each time but for the moment."""
    lots, now = random.Random(7), now_ms()
    await insert_tokens(database, tokens(now, dress))
    await put_smart_models(
        database,
        [each.model_copy(update={"description": dress(each.description or "")[:_DESCRIPTION]}) for each in NAMES],
    )
    await _count(database, calls, days)
    records = list(make_calls(calls, days, now, lots, dress))
    for first in range(0, len(records), 2000):
        await insert_records(database, records[first : first + 2000])
    await _use(database, now)
    await _watch(database, watched, now, dress)
    await _change(database, dress)


def tokens(now: int, dress: Dress = str) -> list[StoredToken]:
    """One of each user: one is disabled, one has expired, most have limits."""
    usual = StoredToken("", b"", "", rate_limit=2000, created_at=now - 70 * MS_PER_DAY)
    made = [
        replace(
            usual,
            id=f"tok{number:05}",
            digest=bytes([number] * 32),
            username=dress(user),
            tags=tuple(map(dress, TAGS[number])),
        )
        for number, user in enumerate(USERS)
    ]
    made[1] = replace(made[1], disabled=True)
    made[3] = replace(made[3], requests_per_minute=120, budget_per_day=5 * 10**12, models=("fast", "openai/*"))
    made[4] = replace(made[4], expires_at=now - MS_PER_DAY)
    return made


def make_calls(calls: int, days: int, now: int, lots: random.Random, dress: Dress = str) -> Iterator[CallRecord]:
    """Their records, more of them by day than by night; some go wrong, some are answered by a cache, some have helpers."""
    shares = [model[-1] for model in MODELS]
    for number in range(calls):
        age = lots.random() ** 1.3 * days
        at = now / 1000 - age * 86_400
        if (hour := int(at / 3600) % 24) < 6 and lots.random() < 0.7:
            at += (7 - hour) * 3600
        at = min(at, now / 1000 - 5)
        user = lots.randrange(len(USERS))
        yield from _call(number, at, user, lots.choices(MODELS, shares)[0], lots, dress)


def _call(
    number: int, at: float, user: int, model: Sequence[Any], lots: random.Random, dress: Dress
) -> Iterator[CallRecord]:
    provider, name, *prices, first_byte, _ = model
    usage = Usage(
        input=int(lots.lognormvariate(6.5, 1)),
        output=int(lots.lognormvariate(5.2, 0.9)),
        cache_read=lots.choice((0, 0, 1024)),
    )
    used = (usage.input, usage.cache_read, usage.output)
    cost = sum((Decimal(price) * count for price, count in zip(prices, used, strict=True)), Decimal(0)) / 10**6
    waited = int(first_byte * lots.lognormvariate(0, 0.35))
    record = make_record(
        id=f"req_{number:012}",
        received_at=at,
        token_id=f"tok{user:05}",
        username=dress(USERS[user]),
        tags=tuple(sorted(map(dress, TAGS[user]))),
        name=dress(f"{provider}/{name}"),
        provider=provider,
        model=dress(name),
        streamed=lots.random() < 0.7,
        usage=usage.answered(),
        cost=cost.quantize(Decimal(10) ** -12),
        price_version="bundled",
        asked_ms=3,
        first_byte_ms=waited,
        total_ms=waited + usage.output * lots.randint(6, 14),
        client=f"192.0.2.{10 + user}",
    )
    chance = lots.random()
    if chance < 0.04:
        kind, status, message = lots.choice(REFUSALS)
        failure = Failure(kind, provider, dress(name), status, dress(message))
        yield record._replace(
            status=status, outcome=Outcome.ERROR, usage=Usage(), cost=Decimal(0), error=dress(message), failures=(failure,), attempts=2
        )  # fmt: skip
    elif chance < 0.16 and provider == "openai":
        yield record._replace(
            name="faq",
            cache="faq",
            cache_hit=True,
            usage=Usage(input=usage.input),
            cost=Decimal(0),
            asked_ms=None,
            first_byte_ms=9,
            total_ms=11,
        )
    elif chance < 0.24:
        designator: dict[str, Any] = {
            "provider": "openai",
            "model": "gpt-4.1-mini",
            "helper": "designator",
            "parent_id": record.id,
        }
        yield record._replace(
            name="auto", router="auto", warnings=("reasoning_effort",) if chance < 0.18 else (), asked_ms=194,
            first_byte_ms=waited + 191, total_ms=record.total_ms + 191,
        )  # fmt: skip
        yield record._replace(
            id=f"{record.id}.1", usage=Usage(input=220, output=3), cost=Decimal("0.0001"), total_ms=190, **designator
        )
    else:
        yield record._replace(alias="fast", name="fast") if provider == "groq" else record


async def _count(database: Database, calls: int, days: int) -> None:
    """What caches and augmentors count."""
    ids = {each.model.name: each.id for each in await read_smart_models(database)}
    hour, hits = now_ms() // MS_PER_HOUR, calls // 25 // days
    cache = {
        "total_requests": calls // 3 // days,
        "cache_hits": hits,
        "tokens_saved": hits * 640,
        "cost_saved": hits * 4 * 10**8,
    }
    await add_to_stats(database, "cache", {(ids["faq"], hour - 24 * age): cache for age in range(days)})
    augmentor = {
        "total_requests": calls // 20,
        "augmented_requests": calls // 30,
        "search_requests": calls // 28,
        "scrape_requests": calls // 12,
    }
    await add_to_stats(database, "augmentor", {(ids["with-news"], hour): augmentor})


async def _use(database: Database, now: int) -> None:
    """What the tokens have used of their limits today."""
    async with database.begin() as connection:
        for number, taken in enumerate((412, 0, 1310, 96, 0)):
            day = {"token_id": f"tok{number:05}", "day": now // MS_PER_DAY, "taken": taken, "recalled": 0}
            await connection.execute(insert(QUOTA_DAYS).values(day))
        await count_spent(connection, "token", "tok00003", {"budget_per_day": True})


async def _watch(database: Database, watched: str, now: int, dress: Dress) -> None:
    """Monitors in each state, with what they found."""
    usual = {"created_at": now - 9 * MS_PER_HOUR, "last_run_at": now - MS_PER_HOUR, "slot": 1}
    python = await put_monitor(
        database, dress("ana"), query=dress("New releases of Python, and what changed in them"), frequency="1h",
        parallel_id=watched, **usual, **forwarding_to("https://hooks.example/relay"),
    )  # fmt: skip
    ended = {"status": "cancelled", "slot": None, "reason": "expired", "cancelled_at": now - MS_PER_DAY}
    await put_monitor(
        database, dress("ben"), query=dress("Outages of cloud providers in Europe"), frequency="1d",
        **(usual | ended | {"created_at": now - 2 * MS_PER_DAY}),
    )  # fmt: skip
    failed = {
        "status": "failed",
        "slot": None,
        "parallel_id": None,
        "last_run_at": None,
        "reason": "failed",
        "last_error": dress("Parallel answered 402: no credit left."),
    }
    await put_monitor(
        database, dress("carla"), query=dress("Calls for papers on compilers"), frequency="1w", **(usual | failed)
    )
    found = Update(
        "evt_1", "2026-11-20", dress("Python 3.15.1 is out: 214 fixes."), (dress("https://python.example/downloads"),)
    )
    for number in range(3):
        group = f"{watched}_group_{number}"
        at = now - (number + 1) * MS_PER_HOUR
        await put_group(database, python, group, [found], received_at=at, processed_at=now if number else None)
        await take_webhook(database, Webhook(f"{group}_told", "monitor.execution.completed", watched, ran_at=at), at)
    lost: dict[str, Any] = {
        "fetched_at": None,
        "gave_up_at": now - 5000,
        "attempts": 6,
        "last_error": dress("Parallel answered 500."),
    }
    await put_group(database, python, f"{watched}_lost", received_at=now - MS_PER_DAY, **lost)
    await queue_deliveries(database, since=0, now=now)


async def _change(database: Database, dress: Dress) -> None:
    """What administrators did."""
    before = ACTOR.set(Actor("admin", "admin", "192.0.2.4"))
    try:
        await note(database, "token.create", "tok00003", after={"username": dress("support-bot"), "rate_limit": 2000})
        await note(database, "token.modify", "tok00001", before={"disabled": False}, after={"disabled": True})
        await note(
            database, "name.create", "auto", after={"kind": "router", "purpose": dress("Picks by what is asked.")}
        )
        ACTOR.set(Actor("cli", "operator"))
        await note(database, "price.set", "openai/gpt-4.1-mini", before={"input": "0.4"}, after={"input": "0.35"})
    finally:
        ACTOR.reset(before)
