"""The webhook for new critical alerts, with a real receiver that checks signatures by the official package."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.core.record import Failure
from app.metering.alerts import Alerts
from app.metering.rows import insert_records
from app.metering.webhook import NEW_MS, QUIET_MS, AlertWebhook
from app.providers.transport import Transport
from app.providers.webhook import webhook_sender
from app.store.db import Database
from app.store.times import now_ms
from tests.calls import make_record
from tests.e2e.gateway import free_port
from tests.e2e.standin import Answer, Exchange, StandIn, running_standin

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
REFUSED = Failure("auth_error", "openai", "gpt-x", 401, "Incorrect API key provided.")
GONE = Failure("not_found", "openai", "gpt-old", 404, "No such model.")
DOWN = Failure("server_error", "openai", "gpt-x", 503, "Overloaded.")
PATH = "/hooks/planted-secret-path?key=planted-secret"


@pytest.fixture
def receiver() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


def webhook(database: Database, transport: Transport, url: str, **options: Any) -> AlertWebhook:
    send = webhook_sender(transport, url + PATH)
    quick: dict[str, Any] = {"pauses_s": (0.0, 0.0), "look_s": 0.01}
    return AlertWebhook(database, send, SECRET, **quick | options)


@contextlib.asynccontextmanager
async def running(*webhooks: AlertWebhook) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.run()) for each in webhooks]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is a state that tells nobody
            await asyncio.sleep(0.005)


async def fail(database: Database, request_id: str, *failures: Failure, ago_ms: int = 0) -> None:
    at = (now_ms() - ago_ms) / 1000
    record = make_record(id=request_id, received_at=at, total_ms=0, cost=Decimal(1), failures=failures)
    await insert_records(database, [record])


def told(exchange: Exchange) -> Any:
    """What a message says, where its signature is right."""
    return Webhook(SECRET).verify(exchange.body, exchange.headers)


async def test_new_critical_alerts_are_told_with_a_signature_that_holds(
    database: Database, transport: Transport, receiver: StandIn
) -> None:
    await fail(database, "a", REFUSED, DOWN, GONE)

    async with running(webhook(database, transport, receiver.base_url)):
        await until(lambda: bool(receiver.posts))

    (exchange,) = receiver.posts
    message = told(exchange)
    assert exchange.path == PATH
    assert exchange.headers["content-type"] == "application/json"
    assert message["type"] == "alerts.critical"
    assert datetime.fromisoformat(message["timestamp"]).tzinfo == UTC
    assert sorted((each["error_type"], each["model_id"], each["count"]) for each in message["data"]["alerts"]) == [
        ("auth_error", "gpt-x", 1),
        ("not_found", "gpt-old", 1),
    ]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(exchange.body + b" ", exchange.headers)


def test_vector_of_a_signature(database: Database, transport: Transport) -> None:
    body = (
        b'{"type":"monitor.event.detected","timestamp":"2026-01-01T00:00:00Z","data":{"monitor_id":"monitor_test",'
        b'"event":{"event_group_id":"mevtgrp_test"},"metadata":{"username":"alice"}}}'
    )
    hook = webhook(database, transport, "http://127.0.0.1", clock=lambda: 1_767_225_600_000)

    assert hook._signed("whevent_test_0001", body) == {
        "webhook-id": "whevent_test_0001",
        "webhook-timestamp": "1767225600",
        "webhook-signature": "v1,JXn+xNGeL5AohGbWMlApmHXtqO5P8gzHL2UxVgm8B3Y=",
    }


async def test_each_is_told_once_however_many_workers_look(
    database: Database, open_another: Callable[[str], Database], transport: Transport, receiver: StandIn
) -> None:
    hooks = [webhook(open_another("relay.db"), transport, receiver.base_url) for _ in range(6)]

    async with running(*hooks):
        for number in range(10):
            failure = Failure("auth_error", "openai", f"model-{number}", 401, "no")
            await fail(database, f"req_{number}", failure)
            await asyncio.sleep(0.01)
        await until(lambda: len(models(receiver)) >= 10)
        await asyncio.sleep(0.1)

    assert models(receiver) == sorted(f"model-{number}" for number in range(10))


def models(receiver: StandIn) -> list[str]:
    return sorted(alert["model_id"] for post in receiver.posts for alert in told(post)["data"]["alerts"])


async def test_alert_that_goes_on_is_no_news(database: Database, transport: Transport, receiver: StandIn) -> None:
    await fail(database, "a", REFUSED, ago_ms=QUIET_MS - NEW_MS)
    await fail(database, "b", REFUSED)
    await fail(database, "c", GONE)

    async with running(webhook(database, transport, receiver.base_url)):
        await until(lambda: bool(receiver.posts))
        await fail(database, "d", GONE)
        await asyncio.sleep(0.1)

    assert models(receiver) == ["gpt-old"]


async def test_alert_that_was_quiet_for_a_day_is_news_again(
    database: Database, transport: Transport, receiver: StandIn
) -> None:
    await fail(database, "a", REFUSED, ago_ms=QUIET_MS + 2 * NEW_MS)
    await fail(database, "b", REFUSED)

    async with running(webhook(database, transport, receiver.base_url)):
        await until(lambda: bool(receiver.posts))

    assert models(receiver) == ["gpt-x"]


async def test_dismissed_alert_is_not_told(database: Database, transport: Transport, receiver: StandIn) -> None:
    await fail(database, "a", REFUSED, GONE)
    alerts = Alerts(database)
    await alerts.dismiss(next(each.key for each in await alerts.read() if each.key.model == "gpt-x"))

    async with running(webhook(database, transport, receiver.base_url)):
        await until(lambda: bool(receiver.posts))

    assert models(receiver) == ["gpt-old"]


async def test_message_that_does_not_arrive_is_sent_again_under_the_same_id(
    database: Database, transport: Transport, receiver: StandIn
) -> None:
    statuses = [500, 302, 204]
    receiver.answer = lambda _exchange: Answer(status=statuses.pop(0))
    await fail(database, "a", REFUSED)

    async with running(webhook(database, transport, receiver.base_url)):
        await until(lambda: len(receiver.posts) == 3)
        await asyncio.sleep(0.1)

    assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1
    assert [bool(told(post)) for post in receiver.posts] == [True] * 3


async def test_attempts_are_bounded_and_the_loss_is_told_without_the_address(
    database: Database, transport: Transport, receiver: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = Answer(status=503)
    await fail(database, "a", REFUSED)

    with caplog.at_level(logging.INFO):
        async with running(webhook(database, transport, receiver.base_url)):
            await until(lambda: "is not told of auth_error/openai/gpt-x/401" in caplog.text)
            await asyncio.sleep(0.1)

    assert len(receiver.posts) == 3
    assert "status 503" in caplog.text
    assert "planted-secret" not in caplog.text
    assert SECRET not in caplog.text


async def test_receiver_that_is_away_is_told_of_without_the_address(
    database: Database, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    await fail(database, "a", REFUSED)

    async with running(webhook(database, transport, f"http://127.0.0.1:{free_port()}")):
        await until(lambda: "is not told of" in caplog.text)

    assert "ConnectError" in caplog.text
    assert "planted-secret" not in caplog.text


async def test_message_that_is_not_out_when_the_gateway_stops_is_left_to_the_next(
    database: Database, transport: Transport, receiver: StandIn
) -> None:
    receiver.answer = Answer(status=503)
    await fail(database, "a", REFUSED)
    async with running(webhook(database, transport, receiver.base_url, pauses_s=(60.0,))):
        await until(lambda: bool(receiver.posts))
    receiver.forget()
    receiver.answer = Answer()

    async with running(webhook(database, transport, receiver.base_url)):
        await until(lambda: bool(receiver.posts))

    assert models(receiver) == ["gpt-x"]
