"""The client of Parallel's Monitor API, against its stand-in, over the gateway's own transport."""

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from app import __version__
from app.core.errors import (
    Unavailable,
    UpstreamCut,
    UpstreamError,
    UpstreamFailure,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.core.jsonio import dumps
from app.monitors.failures import UnknownMonitor
from app.monitors.parallel import ParallelMonitors
from app.monitors.remote import NewMonitor, RemoteMonitor, read_monitor
from app.providers.transport import Transport
from tests.parallel_server import KEY, Fault, ParallelServer, running_parallel
from tests.recordings import Recording, recorded

REF_ID = "fcb2b4f3-c75e-4186-87bc-caa1a8381331"
ASKED = NewMonitor("AI startup funding announcements", "1d")
EVERY = 1_000_000

Call = Callable[[ParallelMonitors, str], Awaitable[object]]

CALLS: dict[str, Call] = {
    "get": lambda monitors, one: monitors.get(one),
    "update": lambda monitors, one: monitors.update(one, {"frequency": "1w"}),
    "cancel": lambda monitors, one: monitors.cancel(one),
    "trigger": lambda monitors, one: monitors.trigger(one),
    "events": lambda monitors, one: monitors.events(one, "mevtgrp_1"),
}
EVERY_CALL: dict[str, Call] = CALLS | {
    "create": lambda monitors, _: monitors.create(ASKED),
    "list": lambda monitors, _: monitors.list_active(),
}
REPEATABLE = ["get", "update", "cancel", "events", "list"]
ONCE = ["create", "trigger"]


@pytest.fixture
def parallel() -> Iterator[ParallelServer]:
    with running_parallel() as server:
        yield server


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


@pytest.fixture
def monitors(transport: Transport, parallel: ParallelServer) -> ParallelMonitors:
    return client(transport, parallel.base_url)


def client(
    transport: httpx.AsyncBaseTransport, base_url: str, key: str | None = KEY, **options: Any
) -> ParallelMonitors:
    return ParallelMonitors(transport, lambda: key, base_url, **{"deadline_s": 20.0, "first_pause_s": 0.01} | options)


async def failure_of(call: Awaitable[object]) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as caught:
        await call
    return caught.value


async def test_monitor_is_created_with_all_that_was_asked_for(
    monitors: ParallelMonitors, parallel: ParallelServer
) -> None:
    schema = {"type": "object", "properties": {"round": {"type": "string"}}}
    asked = NewMonitor(
        "AI funding",
        "12h",
        processor="base",
        output_schema=schema,
        webhook_url="https://relay.example/webhooks/parallel-monitor",
        metadata={"llm_relay": "mon_1", "username": "alice"},
        advanced_settings={"location": "de"},
    )

    created = await monitors.create(asked)

    (request,) = parallel.asked("create")
    assert request.body == {
        "type": "event_stream",
        "frequency": "12h",
        "processor": "base",
        "settings": {
            "query": "AI funding",
            "output_schema": {"type": "json", "json_schema": schema},
            "advanced_settings": {"location": "de"},
        },
        "webhook": {
            "url": "https://relay.example/webhooks/parallel-monitor",
            "event_types": ["monitor.event.detected", "monitor.execution.completed", "monitor.execution.failed"],
        },
        "metadata": {"llm_relay": "mon_1", "username": "alice"},
    }
    assert request.headers["x-api-key"] == KEY
    assert request.headers["user-agent"] == f"LLM-Relay/{__version__}"
    assert created == RemoteMonitor(
        id=parallel.active[0],
        status="active",
        frequency="12h",
        processor="base",
        created_at=created.created_at,
        query="AI funding",
        metadata={"llm_relay": "mon_1", "username": "alice"},
        webhook_url="https://relay.example/webhooks/parallel-monitor",
    )
    assert abs((created.created_at or 0) / 1000 - time.time()) < 3600


async def test_schema_may_come_as_parallel_wraps_it(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    wrapped = {"type": "json", "json_schema": {"type": "object"}}

    await monitors.create(NewMonitor("x", "1d", output_schema=wrapped))

    assert parallel.asked("create")[0].body["settings"]["output_schema"] == wrapped


async def test_monitor_is_got_updated_triggered_and_cancelled(
    monitors: ParallelMonitors, parallel: ParallelServer
) -> None:
    created = await monitors.create(ASKED)

    updated = await monitors.update(created.id, {"frequency": "1w", "metadata": {"a": "b"}})
    await monitors.trigger(created.id)
    cancelled = [await monitors.cancel(created.id) for _ in range(2)]
    got = await monitors.get(created.id)

    assert (updated.frequency, updated.metadata) == ("1w", {"a": "b"})
    assert parallel.runs == [created.id]
    assert {each.status for each in cancelled} == {got.status} == {"cancelled"}


async def test_all_pages_of_the_active_ones_are_listed(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    ids = [parallel.add()["monitor_id"] for _ in range(205)]
    await monitors.cancel(ids[7])

    found = await monitors.list_active()

    assert [each.id for each in found] == [each for each in reversed(ids) if each != ids[7]]
    assert len(parallel.asked("list")) == 3


async def test_list_of_which_a_page_fails_is_none(transport: Transport, parallel: ParallelServer) -> None:
    monitors = client(transport, parallel.base_url, deadline_s=1.0)
    for _ in range(101):
        parallel.add()
    parallel.order(Fault(delay_s=0.0), "list")
    parallel.order(Fault(status=500), "list", times=EVERY)

    failure = await failure_of(monitors.list_active())

    assert failure.status == 500


async def test_one_page_is_listed_by_status(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    ids = [parallel.add()["monitor_id"] for _ in range(3)]
    await monitors.cancel(ids[1])

    first, cursor = await monitors.list_page(status=("active", "cancelled"), limit=2)
    rest, end = await monitors.list_page(status=("active", "cancelled"), limit=2, cursor=cursor)

    assert [(each.id, each.status) for each in first + rest] == [
        (ids[2], "active"),
        (ids[1], "cancelled"),
        (ids[0], "active"),
    ]
    assert end is None


@pytest.mark.parametrize(
    "more", [{"next_cursor": "again"}, {"next_cursor": "again", "monitors": [{"status": "active"}]}]
)
async def test_list_that_makes_no_sense_is_none(
    monitors: ParallelMonitors, parallel: ParallelServer, more: dict[str, Any]
) -> None:
    parallel.order(Fault(status=200, body=dumps({"monitors": []} | more)), "list", times=EVERY)

    assert isinstance(await failure_of(monitors.list_active()), UpstreamInvalid)


async def test_events_of_one_group_are_got(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    monitor_id = parallel.add()["monitor_id"]
    parallel.detect(monitor_id, "An older one.")
    group = parallel.detect(monitor_id, "First.", "Second.")

    events = await monitors.events(monitor_id, group)

    assert [each["output"]["content"] for each in events] == ["Second.", "First."]


async def test_further_pages_of_events_are_got(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    for number, cursor in ((1, "a"), (2, "b"), (3, None)):
        page = {"events": [{"event_id": f"evt_{number}"}, "odd"], "next_cursor": cursor}
        parallel.order(Fault(status=200, body=dumps(page)), "events")
    monitor_id = parallel.add()["monitor_id"]

    events = await monitors.events(monitor_id, "mevtgrp_1")

    assert [each["event_id"] for each in events] == ["evt_1", "evt_2", "evt_3"]
    assert [each.path.partition("cursor=")[2] for each in parallel.asked("events")] == ["", "a", "b"]


async def test_events_whose_pages_do_not_end_are_bounded(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    page = dumps({"events": [{"event_id": "evt_1"}], "next_cursor": "again"})
    parallel.order(Fault(status=200, body=page), "events", times=EVERY)

    events = await monitors.events("monitor_1", "mevtgrp_1")

    assert events == [{"event_id": "evt_1"}] * 2


@pytest.mark.parametrize("name", CALLS)
async def test_unknown_monitor_is_told_apart(monitors: ParallelMonitors, parallel: ParallelServer, name: str) -> None:
    failure = await failure_of(CALLS[name](monitors, "monitor_none"))

    assert isinstance(failure, UnknownMonitor)
    assert failure.status == 404
    assert failure.message == f"Parallel answered with status 404: Monitor not found (ref_id {REF_ID})"
    assert len(parallel.requests) == 1


async def test_404_that_is_not_parallels_is_no_unknown_monitor(
    monitors: ParallelMonitors, parallel: ParallelServer
) -> None:
    parallel.order(Fault(status=404, body=b"<html>nginx</html>"), "get")

    failure = await failure_of(monitors.get("monitor_1"))

    assert not isinstance(failure, UnknownMonitor)
    assert failure.status == 404


async def test_refusal_has_parallels_status_words_and_reference(
    monitors: ParallelMonitors, parallel: ParallelServer
) -> None:
    failure = await failure_of(monitors.create(NewMonitor("x", "5m")))

    assert isinstance(failure, UpstreamError)
    assert (failure.status, failure.in_doubt, failure.charged) == (422, False, True)
    assert failure.message.startswith(
        "Parallel answered with status 422: Unprocessable content: request validation error"
    )
    assert "must be between 1h and 30d" in failure.message
    assert failure.message.endswith(f"(ref_id {REF_ID})")
    assert failure.body is not None
    assert failure.body["ref_id"] == REF_ID
    assert len(parallel.requests) == 1


@pytest.mark.parametrize("recording", recorded("*error-4*", "parallel"))
async def test_recorded_errors_are_told_in_their_words(
    monitors: ParallelMonitors, parallel: ParallelServer, recording: Recording
) -> None:
    parallel.order(Fault(status=recording.status, body=recording.body), "create")

    failure = await failure_of(monitors.create(ASKED))

    error = recording.document["response"]["body"]["error"]
    assert error["message"] in failure.message
    assert error["ref_id"] in failure.message
    assert failure.status == (502 if recording.status == 401 else recording.status)


@pytest.mark.parametrize(
    "body", [b"", b"oops", b"[]", b'"x"', b'{"error": "x"}', b'{"error": {"message": 1, "ref_id": []}}']
)
async def test_error_of_any_shape_is_told_by_its_status(
    monitors: ParallelMonitors, parallel: ParallelServer, body: bytes
) -> None:
    parallel.order(Fault(status=418, body=body), "create")

    failure = await failure_of(monitors.create(ASKED))

    assert (failure.status, failure.message) == (418, "Parallel answered with status 418.")


async def test_validation_error_of_the_other_shape_is_told(
    monitors: ParallelMonitors, parallel: ParallelServer
) -> None:
    body = dumps({"detail": [{"loc": ["query", "limit"], "msg": "too small", "type": "value_error"}]})
    parallel.order(Fault(status=422, body=body), "list")

    failure = await failure_of(monitors.list_active())

    assert "too small" in failure.message


@pytest.mark.parametrize("status", [401, 403])
async def test_key_that_is_refused_is_not_the_clients_fault(
    monitors: ParallelMonitors, parallel: ParallelServer, status: int
) -> None:
    parallel.order(Fault(status=status), "create")

    failure = await failure_of(monitors.create(ASKED))

    assert isinstance(failure, UpstreamError)
    assert (failure.status, failure.refuses_key, failure.charged) == (502, True, False)
    assert "PARALLELAI_API_KEY or PARALLEL_API_KEY" in failure.message
    assert len(parallel.requests) == 1


@pytest.mark.parametrize("key", [None, ""])
async def test_without_a_key_nothing_is_asked(transport: Transport, parallel: ParallelServer, key: str | None) -> None:
    with pytest.raises(Unavailable, match="PARALLELAI_API_KEY or PARALLEL_API_KEY"):
        await client(transport, parallel.base_url, key).create(ASKED)

    assert parallel.requests == []


async def test_key_that_parallel_repeats_is_told_nobody(
    monitors: ParallelMonitors, parallel: ParallelServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = dumps({"type": "error", "error": {"ref_id": KEY, "message": f"bad {KEY}", "detail": {KEY: KEY}}})
    parallel.order(Fault(status=500, body=body), "get")
    parallel.order(Fault(status=400, body=body), "get")

    failure = await failure_of(monitors.get("monitor_1"))

    assert isinstance(failure, UpstreamError)
    assert KEY not in f"{failure!r} {failure.message} {failure.body} {caplog.text}"


@pytest.mark.parametrize(
    "fault", [Fault(status=429), Fault(status=503), Fault(status=503, headers={"retry-after": "0"})]
)
@pytest.mark.parametrize("name", EVERY_CALL)
async def test_what_was_surely_not_done_is_asked_again(
    monitors: ParallelMonitors, parallel: ParallelServer, name: str, fault: Fault
) -> None:
    monitor_id = parallel.add()["monitor_id"]
    parallel.order(fault, name, times=3)

    await EVERY_CALL[name](monitors, monitor_id)

    assert len(parallel.asked(name)) == 4


@pytest.mark.parametrize(
    "fault", [Fault(status=500), Fault(status=502), Fault(status=504), Fault(closed=True), Fault(lost=True)]
)
@pytest.mark.parametrize("name", REPEATABLE)
async def test_what_may_be_done_twice_is_asked_again_after_any_failure(
    monitors: ParallelMonitors, parallel: ParallelServer, name: str, fault: Fault
) -> None:
    monitor_id = parallel.add()["monitor_id"]
    parallel.order(fault, name, times=2)

    await EVERY_CALL[name](monitors, monitor_id)

    assert len(parallel.asked(name)) == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=500), UpstreamError),
        (Fault(status=504), UpstreamError),
        (Fault(status=408), UpstreamError),
        (Fault(closed=True), UpstreamCut),
        (Fault(lost=True), UpstreamCut),
        (Fault(status=201, body=b"no JSON"), UpstreamInvalid),
    ],
)
@pytest.mark.parametrize("name", ONCE)
async def test_what_may_have_been_done_is_not_asked_again_and_said_so(
    monitors: ParallelMonitors, parallel: ParallelServer, name: str, fault: Fault, kind: type[UpstreamFailure]
) -> None:
    monitor_id = parallel.add()["monitor_id"]
    parallel.order(fault, name)

    failure = await failure_of(EVERY_CALL[name](monitors, monitor_id))

    assert (type(failure), failure.in_doubt) == (kind, True)
    assert len(parallel.asked(name)) == 1


async def test_lost_reply_on_a_kept_connection_makes_no_second_monitor(
    monitors: ParallelMonitors, parallel: ParallelServer
) -> None:
    await monitors.list_active()  # its connection is kept, and looks stale when it is closed without an answer
    parallel.order(Fault(lost=True), "create")

    failure = await failure_of(monitors.create(ASKED))

    assert failure.in_doubt
    assert len(parallel.active) == len(parallel.asked("create")) == 1


@pytest.mark.parametrize("told", [{}, {"monitor_id": "monitor_1"}, {"monitor_id": "../x", "status": "active"}])
async def test_answer_that_tells_of_no_monitor_leaves_a_create_in_doubt(
    monitors: ParallelMonitors, parallel: ParallelServer, told: dict[str, str]
) -> None:
    parallel.order(Fault(status=201, body=dumps(told)), "create")

    failure = await failure_of(monitors.create(ASKED))

    assert (type(failure), failure.in_doubt) == (UpstreamInvalid, True)


@pytest.mark.parametrize("name", EVERY_CALL)
async def test_call_ends_with_its_deadline(transport: Transport, parallel: ParallelServer, name: str) -> None:
    monitors = client(transport, parallel.base_url, deadline_s=0.2)
    parallel.order(Fault(hangs=True), name, times=EVERY)

    failure = await failure_of(EVERY_CALL[name](monitors, parallel.add()["monitor_id"]))

    assert isinstance(failure, UpstreamTimeout)
    assert failure.in_doubt == (name not in ("get", "list", "events"))
    assert len(parallel.asked(name)) == 1


async def test_wait_that_parallel_asks_for_beyond_the_deadline_is_not_begun(
    monitors: ParallelMonitors, parallel: ParallelServer
) -> None:
    parallel.order(Fault(status=429, headers={"retry-after": "60"}), "create")

    failure = await failure_of(monitors.create(ASKED))

    assert isinstance(failure, UpstreamError)
    assert (failure.status, failure.retry_after) == (429, "60")
    assert len(parallel.requests) == 1


@pytest.mark.parametrize("name", EVERY_CALL)
async def test_parallel_that_is_down_is_unreachable(transport: Transport, name: str) -> None:
    with running_parallel() as gone:
        base_url = gone.base_url
    monitors = client(transport, base_url, deadline_s=1.0)

    failure = await failure_of(EVERY_CALL[name](monitors, "monitor_1"))

    assert isinstance(failure, UpstreamUnreachable)
    assert not failure.in_doubt


async def test_key_that_cannot_be_sent_is_told_at_once_and_to_nobody(
    transport: Transport, parallel: ParallelServer
) -> None:
    failure = await failure_of(client(transport, parallel.base_url, f"{KEY}\nx", deadline_s=3600.0).get("monitor_1"))

    assert isinstance(failure, UpstreamUnreachable)
    assert KEY not in failure.message


async def test_parallel_that_comes_back_in_time_is_reached(transport: Transport) -> None:
    with running_parallel() as gone:
        port = gone.port
    monitors = client(transport, f"http://127.0.0.1:{port}")
    attempts = 0
    dial = transport.handle_async_request

    async def counted(request: httpx.Request) -> httpx.Response:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            back.start()
        return await dial(request)

    back = ParallelServer(port=port)
    transport.handle_async_request = counted  # type: ignore[method-assign]
    try:
        created = await monitors.create(ASKED)
    finally:
        back.stop()

    assert [created.id] == back.active
    assert attempts == 3


async def test_earlier_doubt_outlasts_a_later_failure(transport: Transport, parallel: ParallelServer) -> None:
    monitors = client(transport, parallel.base_url)
    parallel.order(Fault(lost=True), "cancel")
    parallel.order(Fault(status=402), "cancel")

    failure = await failure_of(monitors.cancel(parallel.add()["monitor_id"]))

    assert (failure.status, failure.in_doubt) == (402, True)


async def test_answer_that_is_too_large_is_not_read(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    parallel.order(Fault(status=200, body=b" " * (4 << 20) + b"{}"), "list", times=EVERY)

    failure = await failure_of(monitors.list_active())

    assert failure.message == "Parallel's answer is larger than 4 MiB."
    assert len(parallel.requests) == 1


@pytest.mark.parametrize("status", [302, 304])
async def test_redirect_is_not_followed(monitors: ParallelMonitors, parallel: ParallelServer, status: int) -> None:
    parallel.order(Fault(status=status, headers={"location": "http://127.0.0.1:1/"}), "get")

    failure = await failure_of(monitors.get("monitor_1"))

    assert isinstance(failure, UpstreamInvalid)
    assert "PARALLEL_BASE_URL" in failure.message


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_base_url_may_have_its_version(transport: Transport, parallel: ParallelServer, path: str) -> None:
    assert await client(transport, parallel.base_url + path).list_active() == []


async def test_id_cannot_lead_elsewhere(monitors: ParallelMonitors, parallel: ParallelServer) -> None:
    with pytest.raises(UnknownMonitor):
        await monitors.cancel("x/../../v1/monitors?a=b#c")

    assert [each.operation for each in parallel.requests] == ["cancel"]


@pytest.mark.parametrize("recording", recorded("monitors.*create", "parallel"))
def test_recorded_monitors_are_read(recording: Recording) -> None:
    monitor = read_monitor(recording.document["response"]["body"])

    told = recording.document["response"]["body"]
    assert monitor == RemoteMonitor(
        id="monitor_b0079f70195e4258a3b982c1b6d8bd3a",
        status="active",
        frequency="1d",
        processor=told.get("processor", ""),
        created_at=1745439708037,
        query=told["settings"]["query"] if "settings" in told else told["query"],
        metadata=told["metadata"],
        webhook_url="https://example.com/webhook",
    )


def test_status_of_the_frozen_version_is_spelled_as_now() -> None:
    monitor = read_monitor({"monitor_id": "monitor_1", "status": "canceled", "metadata": {"a": 1, "b": "c"}})

    assert monitor is not None
    assert (monitor.status, monitor.metadata, monitor.created_at) == ("cancelled", {"b": "c"}, None)
