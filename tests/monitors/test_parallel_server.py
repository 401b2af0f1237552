"""The stand-in of Parallel's Monitor API is right: the official SDK works with it, and its answers are as documented."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import httpx
import jsonschema_rs
import pytest
from parallel import APIConnectionError, AuthenticationError, NotFoundError, Parallel, UnprocessableEntityError
from standardwebhooks import Webhook

from tests.e2e.standin import Answer, Exchange, StandIn, running_standin
from tests.parallel_server import (
    KEY,
    Fault,
    ParallelServer,
    json_event,
    running_parallel,
    sign,
    snapshot_event,
    text_event,
)
from tests.recordings import FOLDER, Recording, recorded

SPECIFICATION = FOLDER.parent / "specs" / "parallel.openapi.json"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of it").decode()
SETTINGS = {"query": "AI startup funding announcements"}
SOON_S = 10.0


@pytest.fixture
def parallel() -> Iterator[ParallelServer]:
    with running_parallel(secrets=[SECRET]) as server:
        yield server


@pytest.fixture
def sdk(parallel: ParallelServer) -> Iterator[Parallel]:
    with Parallel(api_key=KEY, base_url=parallel.base_url, max_retries=0, timeout=SOON_S) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[StandIn]:
    with running_standin() as receiver:
        receiver.answer = Answer.json({"status": "stored"})
        yield receiver


def webhook_to(receiver: StandIn) -> dict[str, Any]:
    return {"url": f"{receiver.base_url}/webhooks/parallel-monitor"}


def verify(exchange: Exchange, secret: str) -> Any:
    return Webhook(secret).verify(exchange.body, exchange.headers)


# --- the official SDK ---


def test_sdk_creates_a_monitor_and_gets_it(parallel: ParallelServer, sdk: Parallel) -> None:
    created = sdk.monitor.create(
        type="event_stream",
        frequency="1d",
        settings={"query": "AI startup funding announcements"},
        webhook={"url": "https://example.com/webhook", "event_types": ["monitor.event.detected"]},
        metadata={"external_id": "acme-monitor-001"},
    )

    got = sdk.monitor.retrieve(created.monitor_id)

    assert got == created
    assert (got.status, got.frequency, got.processor, got.metadata) == (
        "active",
        "1d",
        "lite",
        {"external_id": "acme-monitor-001"},
    )
    assert parallel.active == [created.monitor_id]


def test_sdk_lists_the_active_ones_in_pages(parallel: ParallelServer, sdk: Parallel) -> None:
    ids = [parallel.add()["monitor_id"] for _ in range(5)]
    sdk.monitor.cancel(ids[3])

    first = sdk.monitor.list(limit=3)
    assert first.next_cursor is not None
    rest = sdk.monitor.list(limit=3, cursor=first.next_cursor)

    assert [each.monitor_id for each in first.monitors + rest.monitors] == [ids[4], ids[2], ids[1], ids[0]]
    assert rest.next_cursor is None


def test_sdk_lists_by_status_and_type(parallel: ParallelServer, sdk: Parallel) -> None:
    active = parallel.add()["monitor_id"]
    snapshot = parallel.add(type="snapshot", settings={"task_run_id": "trun_1"})["monitor_id"]
    cancelled = parallel.add()["monitor_id"]
    sdk.monitor.cancel(cancelled)

    both = sdk.monitor.list(status=["active", "cancelled"])
    snapshots = sdk.monitor.list(type=["snapshot"])

    assert [each.monitor_id for each in both.monitors] == [cancelled, snapshot, active]
    assert [each.monitor_id for each in snapshots.monitors] == [snapshot]


def test_sdk_updates_a_monitor(parallel: ParallelServer, sdk: Parallel) -> None:
    monitor_id = parallel.add(metadata={"a": "b"})["monitor_id"]

    changed = sdk.monitor.update(monitor_id, frequency="1w", metadata=None)

    assert (changed.frequency, changed.metadata, changed.settings) == ("1w", None, changed.settings)


def test_sdk_cancels_a_monitor_and_once_more(parallel: ParallelServer, sdk: Parallel) -> None:
    monitor_id = parallel.add()["monitor_id"]

    statuses = [sdk.monitor.cancel(monitor_id).status for _ in range(2)]

    assert statuses == ["cancelled", "cancelled"]
    assert parallel.active == []


def test_sdk_triggers_a_run_but_of_no_cancelled_monitor(parallel: ParallelServer, sdk: Parallel) -> None:
    monitor_id = parallel.add()["monitor_id"]

    sdk.monitor.trigger(monitor_id)
    sdk.monitor.cancel(monitor_id)

    with pytest.raises(UnprocessableEntityError):
        sdk.monitor.trigger(monitor_id)
    assert parallel.runs == [monitor_id]


def test_sdk_gets_the_events_of_one_group(parallel: ParallelServer, sdk: Parallel) -> None:
    monitor_id = parallel.add()["monitor_id"]
    parallel.detect(monitor_id, "An older one.")
    group = parallel.detect(monitor_id, "First.", json_event({"round": "B"}, "https://example.com/a"))

    events = sdk.monitor.events(monitor_id, event_group_id=group).events

    told = [(each.event_group_id, each.output.type, each.output.content) for each in events]  # type: ignore[union-attr] # of runs that found something
    assert told == [(group, "json", {"round": "B"}), (group, "text", "First.")]
    assert events[0].output.basis[0].citations[0].url == "https://example.com/a"  # type: ignore[union-attr,index]


def test_sdk_gets_all_events_in_pages_with_completions_where_asked(parallel: ParallelServer, sdk: Parallel) -> None:
    monitor_id = parallel.add()["monitor_id"]
    parallel.detect(monitor_id, "1", "2", "3")
    parallel.complete(monitor_id)
    parallel.fail(monitor_id, "Payment required")

    first = sdk.monitor.events(monitor_id, limit=2)
    assert first.next_cursor is not None
    rest = sdk.monitor.events(monitor_id, cursor=first.next_cursor)
    every = sdk.monitor.events(monitor_id, include_completions=True)

    assert [each.event_type for each in first.events] == ["error", "event_stream"]
    assert [each.output.content for each in rest.events] == ["2", "1"]  # type: ignore[union-attr]
    assert [each.event_type for each in every.events][:2] == ["error", "completion"]


def test_sdk_tells_that_a_key_is_not_taken(parallel: ParallelServer) -> None:
    client = Parallel(api_key="another", base_url=parallel.base_url, max_retries=0)

    with client, pytest.raises(AuthenticationError) as caught:
        client.monitor.list()

    assert caught.value.body == recorded_body("monitors.error-401")


@pytest.mark.parametrize(
    "call",
    [
        lambda sdk: sdk.monitor.retrieve("monitor_none"),
        lambda sdk: sdk.monitor.cancel("monitor_none"),
        lambda sdk: sdk.monitor.trigger("monitor_none"),
        lambda sdk: sdk.monitor.events("monitor_none"),
        lambda sdk: sdk.monitor.update("monitor_none", frequency="1d"),
    ],
)
def test_sdk_tells_that_a_monitor_is_unknown(sdk: Parallel, call: Callable[[Parallel], Any]) -> None:
    with pytest.raises(NotFoundError, match="Monitor not found"):
        call(sdk)


@pytest.mark.parametrize(
    "wrong",
    [
        {"frequency": "30m"},
        {"frequency": "0h"},
        {"frequency": "31d"},
        {"frequency": "5w"},
        {"frequency": 1},
        {"type": "stream"},
        {"processor": "core"},
        {"settings": {}},
        {"settings": {"query": 1}},
        {"settings": {"query": "x", "output_schema": {"type": "object"}}},
        {"type": "snapshot"},
        {"metadata": {"k" * 17: "v"}},
        {"metadata": {"k": "v" * 513}},
        {"metadata": {"k": 1}},
        {"webhook": {"event_types": []}},
        {"webhook": {"url": "https://example.com", "event_types": ["monitor.event"]}},
    ],
    ids=str,
)
def test_sdk_tells_that_a_body_is_not_valid(parallel: ParallelServer, sdk: Parallel, wrong: dict[str, Any]) -> None:
    body = {"type": "event_stream", "frequency": "1d", "settings": SETTINGS} | wrong

    with pytest.raises(UnprocessableEntityError, match="request validation error"):
        sdk.monitor.create(**body)

    assert parallel.monitors == []


@pytest.mark.parametrize("frequency", ["1h", "720h", "30d", "4w"])
def test_frequencies_at_the_bounds_are_taken(sdk: Parallel, frequency: str) -> None:
    assert sdk.monitor.create(type="event_stream", frequency=frequency, settings={"query": "x"}).frequency == frequency


def test_sdk_tells_that_a_reply_was_lost_though_the_work_was_done(parallel: ParallelServer, sdk: Parallel) -> None:
    parallel.order(Fault(lost=True), "create")

    with pytest.raises(APIConnectionError):
        sdk.monitor.create(type="event_stream", frequency="1d", settings={"query": "x"})

    assert len(parallel.active) == 1
    assert [each.status for each in parallel.asked("create")] == [0]


def test_connection_that_is_closed_leaves_nothing_done(parallel: ParallelServer, sdk: Parallel) -> None:
    parallel.order(Fault(closed=True), times=2)

    for _ in range(2):
        with pytest.raises(APIConnectionError):
            sdk.monitor.create(type="event_stream", frequency="1d", settings={"query": "x"})

    assert parallel.active == []
    assert sdk.monitor.list().monitors == []


# --- the OpenAPI document and the recordings ---


@cache
def specification() -> dict[str, Any]:
    if not SPECIFICATION.exists():
        pytest.skip(f"no {SPECIFICATION}")
    document: dict[str, Any] = json.loads(SPECIFICATION.read_text())
    return document


def check(schema: str, value: Any) -> None:
    components = {"components": specification()["components"]}
    validator = jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **components})
    assert [error.message for error in validator.iter_errors(value)] == []


def recorded_body(case: str) -> Any:
    path = FOLDER / "parallel" / f"{case}.json"
    if not path.exists():
        pytest.skip(f"no {path}")
    return json.loads(path.read_text())["response"]["body"]


@pytest.fixture
def http(parallel: ParallelServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{parallel.base_url}/v1", headers={"x-api-key": KEY}, trust_env=False) as client:
        yield client


def test_every_answer_is_as_the_document_says(parallel: ParallelServer, http: httpx.Client) -> None:
    body = {"type": "event_stream", "frequency": "1d", "settings": SETTINGS, "metadata": {"a": "b"}}
    created = http.post("/monitors", json=body)
    monitor_id = created.json()["monitor_id"]
    path = f"/monitors/{monitor_id}"
    snapshot = parallel.add(type="snapshot", settings={"task_run_id": "trun_1"})["monitor_id"]
    parallel.detect(monitor_id, "text", json_event({"a": 1}), text_event("x", event_date=None))
    parallel.complete(monitor_id)
    parallel.fail(monitor_id, "no credit")
    parallel.detect(snapshot, snapshot_event({"price": 2}, {"price": 1, "name": "x"}))

    assert created.status_code == 201
    check("CreateMonitorRequest", body)
    check("MonitorResponse", created.json())
    check("MonitorResponse", http.get(path).json())
    check("MonitorResponse", http.get(f"/monitors/{snapshot}").json())
    check("PaginatedMonitorResponse", http.get("/monitors", params={"limit": 1}).json())
    check("PaginatedMonitorEvents", http.get(f"{path}/events", params={"include_completions": True}).json())
    check("PaginatedMonitorEvents", http.get(f"/monitors/{snapshot}/events").json())
    check("MonitorResponse", http.post(f"{path}/update", json={"frequency": "1h"}).json())
    check("MonitorResponse", http.post(f"{path}/cancel").json())
    triggered = http.post(f"/monitors/{snapshot}/trigger")
    assert (triggered.status_code, triggered.content) == (204, b"")


def test_every_error_is_as_the_document_says(parallel: ParallelServer, http: httpx.Client) -> None:
    monitor_id = parallel.add()["monitor_id"]
    parallel.order(Fault(status=503, headers={"retry-after": "1"}), "get")

    down = http.get(f"/monitors/{monitor_id}")
    assert (down.status_code, down.headers["retry-after"]) == (503, "1")
    check("ErrorResponse", down.json())
    check("ErrorResponse", http.get("/monitors/monitor_none").json())
    check("ErrorResponse", http.post("/monitors", content=b"{").json())
    check("ErrorResponse", http.post(f"/monitors/{monitor_id}/update", json={"type": "event_stream"}).json())
    check("ErrorResponse", http.get(f"/monitors/{monitor_id}/events", params={"limit": 101}).json())
    check("ErrorResponse", http.get(f"/monitors/{monitor_id}/events", params={"cursor": "x"}).json())
    check("HTTPValidationError", http.get("/monitors", params={"limit": 0}).json())
    check("HTTPValidationError", http.get("/monitors", params={"status": "canceled"}).json())
    assert http.get("/monitors", headers={"x-api-key": "another"}).json() == recorded_body("monitors.error-401")
    assert http.delete(f"/monitors/{monitor_id}").status_code == 404


@pytest.mark.parametrize("recording", recorded("monitors.create", "parallel"))
def test_create_is_answered_as_recorded(http: httpx.Client, recording: Recording) -> None:
    answer = http.post("/monitors", json=recording.request)

    assert answer.status_code == recording.status
    own = {"monitor_id", "created_at"}
    told = {name: value for name, value in answer.json().items() if value is not None}
    wanted = recording.document["response"]["body"]
    assert told.keys() == wanted.keys()
    assert {name: told[name] for name in told.keys() - own} == {name: wanted[name] for name in wanted.keys() - own}


def test_invalid_body_is_refused_in_the_recorded_words(http: httpx.Client) -> None:
    answer = http.post("/monitors", json={}).json()

    del answer["error"]["detail"]
    assert answer == recorded_body("monitors.error-422")


@pytest.mark.parametrize("recording", recorded("monitors.events", "parallel"))
def test_events_have_the_recorded_fields(parallel: ParallelServer, http: httpx.Client, recording: Recording) -> None:
    wanted = recording.document["response"]["body"]["events"][0]
    monitor_id = parallel.add()["monitor_id"]
    group = parallel.detect(monitor_id, "text")

    (event,) = http.get(f"/monitors/{monitor_id}/events", params={"event_group_id": group}).json()["events"]

    assert event.keys() - wanted.keys() == {"monitor_group_id"}
    assert event["output"].keys() == wanted["output"].keys()
    assert event["output"]["basis"][0].keys() == wanted["output"]["basis"][0].keys()


# --- webhooks ---


def test_what_a_run_found_is_reported_and_signed(parallel: ParallelServer, receiver: StandIn) -> None:
    monitor_id = parallel.add(webhook=webhook_to(receiver), metadata={"username": "alice"})["monitor_id"]

    group = parallel.detect(monitor_id, "text")

    parallel.wait_for_deliveries()
    message = verify(receiver.posts[0], SECRET)
    assert message["type"] == "monitor.event.detected"
    assert message["data"] == {
        "monitor_id": monitor_id,
        "event": {"event_group_id": group},
        "metadata": {"username": "alice"},
    }
    assert parallel.deliveries[0].statuses == [200]


@pytest.mark.parametrize("recording", recorded("monitors.webhook-detected", "parallel"))
def test_webhook_has_the_recorded_shape(parallel: ParallelServer, receiver: StandIn, recording: Recording) -> None:
    wanted = recording.document["response"]["body"]
    monitor_id = parallel.add(webhook=webhook_to(receiver), metadata={"external_id": "x"})["monitor_id"]

    parallel.detect(monitor_id, "text")

    told = receiver.wait_for_post().json
    assert [told.keys(), told["data"].keys(), told["data"]["event"].keys()] == [
        wanted.keys(),
        wanted["data"].keys(),
        wanted["data"]["event"].keys(),
    ]


def test_runs_without_a_find_and_runs_that_fail_are_reported(parallel: ParallelServer, receiver: StandIn) -> None:
    monitor_id = parallel.add(webhook=webhook_to(receiver))["monitor_id"]

    parallel.complete(monitor_id)
    parallel.fail(monitor_id, "no credit")

    parallel.wait_for_deliveries()
    told = {each.json["type"]: each.json["data"]["event"] for each in receiver.posts}
    assert told["monitor.execution.completed"]["type"] == "completion"
    assert told["monitor.execution.failed"]["error"] == "no credit"


def test_only_what_was_asked_for_is_reported(parallel: ParallelServer, receiver: StandIn) -> None:
    webhook = webhook_to(receiver) | {"event_types": ["monitor.event.detected"]}
    monitor_id = parallel.add(webhook=webhook)["monitor_id"]

    parallel.complete(monitor_id)
    parallel.detect(monitor_id, "text")

    parallel.wait_for_deliveries()
    assert [each.type for each in parallel.deliveries] == ["monitor.event.detected"]


def test_webhook_that_is_not_taken_comes_again_with_the_same_id(parallel: ParallelServer, receiver: StandIn) -> None:
    statuses = iter([500, 401, 302, 200])
    receiver.answer = lambda _exchange: Answer.json({}, next(statuses))
    monitor_id = parallel.add(webhook=webhook_to(receiver))["monitor_id"]

    parallel.detect(monitor_id, "text")

    parallel.wait_for_deliveries()
    assert parallel.deliveries[0].statuses == [500, 401, 302, 200]
    assert len({each.headers["webhook-id"] for each in receiver.posts}) == 1
    assert len(receiver.posts) == 4


def test_during_a_rotation_both_secrets_sign(parallel: ParallelServer, receiver: StandIn) -> None:
    parallel.secrets = [OTHER_SECRET, SECRET]
    monitor_id = parallel.add(webhook=webhook_to(receiver))["monitor_id"]

    parallel.detect(monitor_id, "text")

    exchange = receiver.wait_for_post()
    assert verify(exchange, SECRET) == verify(exchange, OTHER_SECRET) == exchange.json


def test_older_accounts_sign_by_the_secret_as_it_is_written(parallel: ParallelServer, receiver: StandIn) -> None:
    parallel.legacy = True
    monitor_id = parallel.add(webhook=webhook_to(receiver))["monitor_id"]

    parallel.detect(monitor_id, "text")

    exchange = receiver.wait_for_post()
    signed = f"{exchange.headers['webhook-id']}.{exchange.headers['webhook-timestamp']}.".encode() + exchange.body
    signature = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert exchange.headers["webhook-signature"] == f"v1,{signature}"


def test_first_run_of_a_new_monitor_is_reported_by_itself(
    sdk: Parallel, parallel: ParallelServer, receiver: StandIn
) -> None:
    parallel.first_run = ["Found at once."]
    parallel.order(Fault(delay_s=0.1), "create")

    created = sdk.monitor.create(
        type="event_stream", frequency="1d", settings={"query": "x"}, webhook={"url": webhook_to(receiver)["url"]}
    )

    assert receiver.wait_for_post().json["data"]["monitor_id"] == created.monitor_id


@pytest.mark.parametrize(
    ("legacy", "signature"),
    [
        (False, "v1,JXn+xNGeL5AohGbWMlApmHXtqO5P8gzHL2UxVgm8B3Y="),
        (True, "v1,SPKlDRAKtzrw5ztEuh17n9l5ycnUzz0X4ANtUn5ErRY="),
    ],
)
def test_signatures_are_those_of_the_vector(legacy: bool, signature: str) -> None:
    body = (
        b'{"type":"monitor.event.detected","timestamp":"2026-01-01T00:00:00Z","data":{"monitor_id":"monitor_test",'
        b'"event":{"event_group_id":"mevtgrp_test"},"metadata":{"username":"alice"}}}'
    )

    headers = sign("whevent_test_0001", body, [SECRET], legacy=legacy, now_s=1767225600)

    assert headers["webhook-signature"] == signature


def test_hanging_request_ends_when_its_client_leaves(parallel: ParallelServer) -> None:
    parallel.order(Fault(hangs=True), "list")

    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{parallel.base_url}/v1/monitors", headers={"x-api-key": KEY}, timeout=0.2, trust_env=False)

    assert parallel.exchanges[0].wait_until_left()
