"""Forwarding to users' addresses: real receivers, which check signatures by the official package."""

import base64
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.core.places import read_place
from app.monitors.forwarding import GIVE_UP_MS, LONGEST_PAUSE_MS, Forwarder, new_forward_secret
from app.providers.transport import Transport
from app.settings import Settings
from app.store.db import Database
from app.store.monitors.deliveries import Delivery, list_deliveries, replay_delivery
from app.store.monitors.rows import Monitor
from app.store.times import now_ms
from app.webhook_way import UserWebhookWay
from tests.databases import postgresql_only
from tests.e2e.gateway import free_port
from tests.e2e.standin import Answer, Exchange, StandIn, running_standin
from tests.monitor_rows import SECRET, forwarding_to, put_group, put_monitor
from tests.monitors.clock import Clock
from tests.monitors.running import running
from tests.waiting import until

PATH = "/hooks/planted-path?key=planted-secret"


@pytest.fixture
def receiver() -> Iterator[StandIn]:
    with running_standin() as running:
        yield running


@pytest.fixture
async def open_way() -> AsyncIterator[Callable[..., UserWebhookWay]]:
    """Opens the way to loopback at these ports, as an operator would by WEB_ALLOW; all are closed in the end."""
    transport, ways = Transport(), []

    def open_to(*ports: int) -> UserWebhookWay:
        places = tuple(read_place(f"127.0.0.1:{port}") for port in ports)
        ways.append(UserWebhookWay(Settings(web_allow=places)))
        return ways[-1]

    yield open_to
    for way in ways:
        await way.aclose()
    await transport.aclose()


OpenWay = Callable[..., UserWebhookWay]


def forwarder(database: Database, way: UserWebhookWay, **options: Any) -> Forwarder:
    quick: dict[str, Any] = {"look_s": 0.02, "first_pause_ms": 1}
    return Forwarder(database, way.send, **quick | options)


async def until_delivery(database: Database, monitor: Monitor, condition: Callable[[Delivery], bool]) -> Delivery:
    """The monitor's newest delivery, as soon as it is so."""

    async def found() -> Delivery | None:
        deliveries = await list_deliveries(database, monitor.id, 1)
        return next(filter(condition, deliveries), None)

    delivery: Delivery = await until(found)
    return delivery


def is_delivered(delivery: Delivery) -> bool:
    return delivery.status == "delivered"


def is_given_up(delivery: Delivery) -> bool:
    return delivery.status == "failed"


def told(exchange: Exchange) -> Any:
    """What a message says, where its signature is right."""
    return Webhook(SECRET).verify(exchange.body, exchange.headers)


async def test_event_group_is_posted_with_a_signature_that_holds(
    database: Database, receiver: StandIn, open_way: OpenWay
) -> None:
    monitor = await put_monitor(database, **forwarding_to(receiver.base_url + PATH))
    await put_group(database, monitor, "grp_1")

    async with running(forwarder(database, open_way(receiver.port))):
        delivery = await until_delivery(database, monitor, is_delivered)

    (post,) = receiver.posts
    assert post.path == PATH
    assert post.headers["content-type"] == "application/json"
    assert post.headers["webhook-id"] == delivery.id
    assert told(post) == {
        "type": "monitor.updates",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "data": {
            "monitor_id": monitor.parallel_id,
            "query": "rockets",
            "event_group_id": "grp_1",
            "received_at": "2026-01-01T00:00:00.000Z",
            "events": [
                {
                    "date": "2026-04-07",
                    "text": "Acme has released a rocket.",
                    "sources": ["https://acme.example/news", "https://b.example/"],
                }
            ],
        },
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(post.body + b" ", post.headers)
    assert (delivery.attempts, [line["status"] for line in delivery.log]) == (1, [200])


async def test_new_secrets_are_those_of_standard_webhooks() -> None:
    secret = new_forward_secret()

    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret.startswith("whsec_")
    assert new_forward_secret() != secret


@postgresql_only
async def test_each_is_delivered_once_however_many_send(
    database: Database, open_another: Callable[[str], Database], receiver: StandIn, open_way: OpenWay
) -> None:
    monitors = [
        await put_monitor(database, f"user-{number}", **forwarding_to(receiver.base_url + PATH)) for number in range(4)
    ]
    way = open_way(receiver.port)
    forwarders = [forwarder(open_another("relay.db"), way) for _ in range(3)]

    async with running(*forwarders):
        for number in range(40):
            await put_group(database, monitors[number % 4], f"grp_{number}")
        await until(lambda: len(receiver.posts) >= 40)
        for monitor in monitors:
            await until_delivery(database, monitor, is_delivered)

    groups = [told(post)["data"]["event_group_id"] for post in receiver.posts]
    assert sorted(groups) == sorted(f"grp_{number}" for number in range(40))


async def test_receiver_that_was_down_gets_it_under_the_same_id_when_it_is_up(
    database: Database, receiver: StandIn, open_way: OpenWay
) -> None:
    statuses = [500, 429, 204]
    receiver.answer = lambda _exchange: Answer(status=statuses.pop(0))
    monitor = await put_monitor(database, **forwarding_to(receiver.base_url + PATH))
    await put_group(database, monitor, "grp_1")

    async with running(forwarder(database, open_way(receiver.port))):
        delivery = await until_delivery(database, monitor, is_delivered)

    assert {post.headers["webhook-id"] for post in receiver.posts} == {delivery.id}
    assert len({post.body for post in receiver.posts}) == 1
    assert [line["status"] for line in delivery.log] == [500, 429, 204]
    assert [line["error"] for line in delivery.log] == ["status 500", "status 429", None]
    assert all(told(post) for post in receiver.posts)


async def test_address_where_nobody_listens_is_tried_again_and_never_told(
    database: Database, open_way: OpenWay, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    monitor = await put_monitor(database, **forwarding_to(f"http://127.0.0.1:{port}{PATH}"))
    await put_group(database, monitor, "grp_1")

    with caplog.at_level(logging.DEBUG):
        async with running(forwarder(database, open_way(port))):
            delivery = await until_delivery(database, monitor, lambda each: each.attempts >= 3)

    assert delivery.status == "pending"
    assert {line["error"] for line in delivery.log} == {"ConnectError"}
    assert "ConnectError" in caplog.text
    assert "planted" not in caplog.text
    assert SECRET not in caplog.text


async def test_receiver_that_says_gone_is_told_no_more(
    database: Database, receiver: StandIn, open_way: OpenWay
) -> None:
    receiver.answer = Answer(status=410)
    monitor = await put_monitor(database, **forwarding_to(receiver.base_url + PATH))
    await put_group(database, monitor, "grp_1")

    async with running(forwarder(database, open_way(receiver.port))):
        delivery = await until_delivery(database, monitor, is_given_up)

    assert (delivery.attempts, delivery.retry_at, len(receiver.posts)) == (1, None, 1)


async def test_pauses_double_up_to_an_hour_until_a_day_is_over(
    database: Database, receiver: StandIn, open_way: OpenWay
) -> None:
    receiver.answer = Answer(status=503)
    monitor = await put_monitor(database, **forwarding_to(receiver.base_url + PATH))
    begun = now_ms()
    clock = Clock(begun)
    await put_group(database, monitor, "grp_1", fetched_at=begun)
    moments: list[int] = []

    async with running(forwarder(database, open_way(receiver.port), clock=clock, first_pause_ms=5000)):
        while True:
            attempt = len(moments) + 1
            delivery = await until_delivery(database, monitor, lambda each: len(each.log) >= min(attempt, 20))  # noqa: B023
            delivery = await until_delivery(
                database,
                monitor,
                lambda each: each.attempts == attempt and each.log[-1]["at"] == clock.now,  # noqa: B023
            )
            moments.append(clock.now - begun)
            if delivery.retry_at is None:
                break
            clock.now = delivery.retry_at

    pauses = [after - before for before, after in pairwise(moments)]
    usual = [min(max(5000, so_far), LONGEST_PAUSE_MS) for so_far in moments[:-1]]
    assert all(0.8 * each - 1 <= pause <= 1.2 * each + 1 for pause, each in zip(pauses, usual, strict=True))
    assert GIVE_UP_MS - 1.2 * LONGEST_PAUSE_MS <= moments[-1] < GIVE_UP_MS
    assert 25 <= len(moments) <= 45
    assert delivery.status == "failed"


async def test_slow_receiver_holds_nobody_else(database: Database, receiver: StandIn, open_way: OpenWay) -> None:
    with running_standin() as slow:
        slow.answer = Answer(hold=True, chunked=True, delay_s=60)
        stuck = await put_monitor(database, "slow", **forwarding_to(slow.base_url))
        for number in range(20):
            await put_group(database, stuck, f"slow_{number}", fetched_at=now_ms() - 1000)
        monitor = await put_monitor(database, **forwarding_to(receiver.base_url))

        async with running(forwarder(database, open_way(slow.port, receiver.port))):
            await until(lambda: bool(slow.posts))
            await put_group(database, monitor, "grp_1")
            await until_delivery(database, monitor, is_delivered)

        assert len(slow.posts) == 1


async def test_private_address_is_refused_where_the_operator_did_not_open_it(
    database: Database, open_way: OpenWay
) -> None:
    monitor = await put_monitor(database, **forwarding_to("http://localhost/hook"))
    await put_group(database, monitor, "grp_1")

    async with running(forwarder(database, open_way())):
        delivery = await until_delivery(database, monitor, lambda each: bool(each.log))

    assert delivery.log[0]["error"] == "it leads to a loopback address"
    assert delivery.log[0]["status"] is None


async def test_redirect_is_a_failure_and_not_followed(database: Database, receiver: StandIn, open_way: OpenWay) -> None:
    with running_standin() as private:
        receiver.answer = Answer(status=307, headers={"location": f"{private.base_url}/inside"})
        monitor = await put_monitor(database, **forwarding_to(receiver.base_url))
        await put_group(database, monitor, "grp_1")

        async with running(forwarder(database, open_way(receiver.port, private.port))):
            delivery = await until_delivery(database, monitor, lambda each: bool(each.log))

        assert delivery.log[0]["status"] == 307
        assert private.exchanges == []


async def test_replay_sends_what_had_arrived_once_more(
    database: Database, receiver: StandIn, open_way: OpenWay
) -> None:
    monitor = await put_monitor(database, **forwarding_to(receiver.base_url))
    await put_group(database, monitor, "grp_1")
    async with running(forwarder(database, open_way(receiver.port), look_s=60)):
        first = await until_delivery(database, monitor, is_delivered)

    sender = forwarder(database, open_way(receiver.port), look_s=60)
    async with running(sender):
        await replay_delivery(database, first.id, now_ms())
        sender.wake()
        again = await until_delivery(database, monitor, lambda each: each.attempts == 2 and is_delivered(each))

    assert [line["status"] for line in again.log] == [200, 200]
    assert [post.headers["webhook-id"] for post in receiver.posts] == [first.id] * 2


@pytest.mark.parametrize("is_same", [True, False])
async def test_what_is_on_its_way_when_it_is_stopped_is_sent_by_who_runs_next(
    database: Database, is_same: bool, receiver: StandIn, open_way: OpenWay
) -> None:
    receiver.answer = Answer(delay_s=60)
    monitor = await put_monitor(database, **forwarding_to(receiver.base_url))
    await put_group(database, monitor, "grp_1")
    sender = forwarder(database, open_way(receiver.port))
    async with running(sender):
        await until(lambda: bool(receiver.posts))
    receiver.answer = Answer()

    again = sender if is_same else forwarder(database, open_way(receiver.port))
    async with running(again):
        delivery = await until_delivery(database, monitor, is_delivered)

    assert delivery.attempts == 2


async def test_fault_of_ours_is_an_attempt_that_failed(
    database: Database, receiver: StandIn, open_way: OpenWay, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = await put_monitor(database, forward_url=receiver.base_url, forward_secret="whsec_x")
    await put_group(database, monitor, "grp_1")

    async with running(forwarder(database, open_way(receiver.port))):
        delivery = await until_delivery(database, monitor, lambda each: bool(each.log))

    assert delivery.log[0]["error"] == "a fault of the gateway"
    assert "whsec_x" not in caplog.text
