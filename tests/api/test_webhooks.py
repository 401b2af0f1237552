"""The door for Parallel's webhooks: each kind of webhook, good and bad, and what is written then."""

import contextlib
import gzip
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.api.client_address import address_reader
from app.api.errors import on_relay_error
from app.api.webhooks import MOST_BODY_BYTES, webhooks_router
from app.auth.address_limit import AddressLimiter
from app.core.errors import RelayError
from app.core.jsonio import dumps
from app.metering.alerts import Alerts
from app.metering.metrics import Metrics
from app.metering.monitors import MonitorSignals
from app.metering.notices import Notices
from app.monitors.webhooks import Receiver
from app.store.db import Database, open_database
from app.store.monitors.rows import find_monitor
from tests.databases import KINDS, sqlite_only
from tests.monitor_rows import CREATING, put_monitor, rows
from tests.monitors.signing import OTHER_SECRET, SECRET, legacy, sign_bytes, signed

NOW_S = 1_767_225_600
PATH = "/webhooks/parallel-monitor"


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def detected(group: str = "mevtgrp_1", monitor: str = "monitor_1", **metadata: str) -> bytes:
    data = {"monitor_id": monitor, "event": {"event_group_id": group}, "metadata": metadata or None}
    return dumps({"type": "monitor.event.detected", "timestamp": "2026-01-01T00:00:00Z", "data": data})


def run_of(outcome: str, event: Any = None, at: str = "2026-01-01T00:00:00Z") -> bytes:
    data = {"monitor_id": "monitor_1", "event": event}
    return dumps({"type": f"monitor.execution.{outcome}", "timestamp": at, "data": data})


class Door:
    """The route of one worker."""

    def __init__(
        self,
        database: Database,
        *secrets: str,
        insecure: bool = False,
        per_minute: int = 100_000,
    ) -> None:
        self.stored = 0
        self.secrets: tuple[str, ...] = secrets
        receiver = Receiver(
            database, lambda: self.secrets, insecure=insecure, on_stored=self._count_stored, clock=lambda: NOW_S * 1000
        )
        app = FastAPI()
        limiter = AddressLimiter(per_minute, "webhooks")
        self._metrics = Metrics(frozenset)
        self.notices = Notices(database)
        signals = MonitorSignals(self._metrics, self.notices)
        app.include_router(webhooks_router(receiver, limiter, address_reader(()), signals))
        app.add_exception_handler(RelayError, on_relay_error)
        self._app = app

    @property
    def counted(self) -> dict[str, float]:
        """How many webhooks there were of each result."""
        return {labels[0]: count for labels, count in self._metrics.values().get("monitor_webhooks", {}).items()}  # type: ignore[misc] # a counter's are numbers

    def _count_stored(self) -> None:
        self.stored += 1

    async def post(
        self, body: bytes | AsyncIterator[bytes], headers: Any = None, address: str = "192.0.2.1"
    ) -> httpx.Response:
        headers = signed(body, NOW_S) if headers is None and isinstance(body, bytes) else headers
        transport = httpx.ASGITransport(self._app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
            return await client.post(PATH, content=body, headers=headers)


@pytest.fixture
def door(database: Database) -> Door:
    return Door(database, SECRET, OTHER_SECRET)


async def written(db: Database) -> int:
    (found,) = await rows(db, "SELECT (SELECT count(*) FROM monitor_webhooks) + (SELECT count(*) FROM monitor_events)")
    count: int = found[0]
    return count


def error_of(answer: httpx.Response) -> Any:
    return answer.json()["error"]


async def test_secret_that_is_changed_holds_at_once(database: Database, door: Door) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    door.secrets = (OTHER_SECRET,)

    assert (await door.post(detected(), signed(detected(), NOW_S, secret=SECRET))).status_code == 401
    assert (await door.post(detected(), signed(detected(), NOW_S, secret=OTHER_SECRET))).status_code == 200
    door.secrets = ()
    assert (await door.post(detected(), signed(detected(), NOW_S, secret=OTHER_SECRET))).status_code == 503


@pytest.mark.parametrize("secret", [SECRET, legacy(SECRET), OTHER_SECRET, legacy(OTHER_SECRET)])
async def test_webhook_that_is_signed_by_any_of_our_secrets_is_stored(
    database: Database, door: Door, secret: str
) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")
    body = detected()

    answer = await door.post(body, signed(body, NOW_S, secret=secret))

    assert (answer.status_code, answer.json()) == (200, {"status": "stored", "event_group_id": "mevtgrp_1"})
    assert await rows(database, "SELECT monitor_id, username FROM monitor_events") == [(monitor.id, "alice")]
    assert door.stored == 1


async def test_replay_and_second_webhook_of_a_group_are_duplicates(database: Database, door: Door) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    body = detected()
    await door.post(body)

    for webhook_id in ("whevent_1", "whevent_2"):
        answer = await door.post(body, signed(body, NOW_S, webhook_id=webhook_id))
        assert (answer.status_code, answer.json()) == (200, {"status": "duplicate", "event_group_id": "mevtgrp_1"})

    assert await rows(database, "SELECT count(*) FROM monitor_events") == [(1,)]
    assert door.stored == 1


async def test_unknown_monitor_is_told_of_by_200(door: Door) -> None:
    answer = await door.post(detected())

    assert (answer.status_code, answer.json()) == (200, {"status": "unknown_monitor", "event_group_id": "mevtgrp_1"})
    assert door.stored == 0


async def test_monitor_that_is_being_created_is_found_by_its_metadata(database: Database, door: Door) -> None:
    monitor = await put_monitor(database, **CREATING)

    answer = await door.post(detected(llm_relay=monitor.id, username="mallory"))

    assert answer.json()["status"] == "stored"
    assert await rows(database, "SELECT username FROM monitor_events") == [("alice",)]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"event_type": "error", "error": "No credit"}, "No credit"),
        ({"error_message": "No credit"}, "No credit"),
        ({"error": {"message": "No credit"}}, "No credit"),
        ({"error": "bad\0 \ud800 half"}, "bad? ? half"),
        ({"error": "x" * 100_000}, "x" * 500),
        ({"error": f"of {SECRET}"}, "of [redacted]"),
        ({"error": 7}, "The run failed; Parallel did not say why."),
        (None, "The run failed; Parallel did not say why."),
    ],
)
async def test_run_that_failed_is_noted_with_its_reason(database: Database, door: Door, event: Any, said: str) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")

    answer = await door.post(run_of("failed", event))

    assert (answer.status_code, answer.json()) == (200, {"status": "noted"})
    noted = await find_monitor(database, monitor.id)
    assert noted is not None
    assert (noted.last_run_at, noted.last_error) == (NOW_S * 1000, said)


@pytest.mark.parametrize(
    ("at", "ran_at_s"),
    [
        ("2025-12-31T23:00:00.5+00:00", NOW_S - 3599.5),
        ("2025-12-31T23:00:00", NOW_S - 3600),
        ("2026-01-01T01:00:00+02:00", NOW_S - 3600),
        ("2030-01-01T00:00:00Z", NOW_S),
        ("0001-01-01T00:00:00+23:59", 0),
        ("9999-12-31T23:59:59-23:59", NOW_S),
        ("yesterday", NOW_S),
        (7, NOW_S),
    ],
)
async def test_run_is_noted_at_its_time(database: Database, door: Door, at: Any, ran_at_s: float) -> None:
    monitor = await put_monitor(database, parallel_id="monitor_1")

    answer = await door.post(run_of("completed", at=at))

    assert answer.json() == {"status": "noted"}
    noted = await find_monitor(database, monitor.id)
    assert noted is not None
    assert noted.last_run_at == ran_at_s * 1000


async def test_type_that_is_not_known_is_ignored(database: Database, door: Door) -> None:
    answer = await door.post(b'{"type":"task_run.status","data":{}}')

    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert await written(database) == 0


@sqlite_only
async def test_webhooks_are_counted_by_what_came_of_them(database: Database) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    door = Door(database, SECRET, per_minute=9)
    bodies = [detected(), detected(), detected(monitor="monitor_2"), run_of("completed"), b'{"type":"x"}', b"{}"]

    for number, body in enumerate(bodies):
        await door.post(body, signed(body, NOW_S, webhook_id=f"whevent_{number}"))
    await door.post(detected(), {})
    await door.post(b" " * (MOST_BODY_BYTES + 1))
    for _ in range(2):
        await door.post(detected())

    # Not understood, not signed, too large, one too many.
    assert door.counted == {"stored": 1, "duplicate": 2, "unknown_monitor": 1, "noted": 1, "ignored": 1, "refused": 4}
    assert [(kind, count) for kind, count, _ in await noted(database, door)] == [("webhook_refused", 1)]


async def noted(database: Database, door: Door) -> list[tuple[str, int, str]]:
    """The alerts, once they are written: kind, count and last words of each."""
    await door.notices.write()
    found = await Alerts(database).read()
    assert not any(alert.is_critical for alert in found)
    return [(alert.key.kind, alert.count, alert.message) for alert in found]


async def test_forged_webhooks_are_one_alert_without_words_of_their_senders(database: Database, door: Door) -> None:
    body = detected("a forged one")

    for number in range(20):
        await door.post(body, signed(body, NOW_S, webhook_id=f"forged_{number}", secret="whsec_" + "AAAA" * 8))

    words = "No signature in the header webhook-signature is right."
    assert await noted(database, door) == [("webhook_refused", 20, words)]
    assert await rows(database, "SELECT count(*) FROM alerts") == [(1,)]


async def test_without_a_secret_what_is_refused_is_an_alert(database: Database) -> None:
    closed = Door(database)

    await closed.post(detected())

    ((kind, count, words),) = await noted(database, closed)
    assert (kind, count) == ("webhook_refused", 1)
    assert "has no secret" in words


def without(name: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda values: {key: value for key, value in values.items() if key != name}


@sqlite_only
@pytest.mark.parametrize(
    "change",
    [
        *map(without, ("webhook-id", "webhook-timestamp", "webhook-signature")),
        lambda values: values | {"webhook-signature": "v1,AAAA"},
        lambda values: values | {"webhook-signature": values["webhook-signature"].replace("v1,", "v2,")},
        lambda values: values | {"webhook-id": "whevent_2"},
        lambda values: values | {"webhook-timestamp": str(NOW_S + 1)},
        lambda _: signed(detected(), NOW_S - 301),
        lambda _: signed(detected(), NOW_S + 301),
        lambda _: signed(detected(), NOW_S, secret="whsec_" + "AAAA" * 8),
        lambda _: signed(detected("mevtgrp_2"), NOW_S),
        lambda _: {},
    ],
)
async def test_what_is_not_parallels_is_refused_and_not_written(
    database: Database, door: Door, change: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    body = detected()

    answer = await door.post(body, change(signed(body, NOW_S)))

    assert answer.status_code == 401
    assert error_of(answer)["code"] == "invalid_signature"
    assert answer.headers["www-authenticate"] == "Standard-Webhooks"
    assert await written(database) == 0
    (said,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said.startswith("a webhook from 192.0.2.1 was refused: 401 ")
    assert "mevtgrp" not in caplog.text


MALFORMED = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"not JSON",
    b"\xff\xfe",
    b"{}",
    b'{"type":null}',
    b'{"type":7,"data":{}}',
    b"[" * 100_000,
    b'{"type":"monitor.event.detected"}',
    b'{"type":"monitor.event.detected","data":[]}',
    b'{"type":"monitor.event.detected","data":{"monitor_id":"m","event":{}}}',
    b'{"type":"monitor.event.detected","data":{"monitor_id":"m","event":"e"}}',
    b'{"type":"monitor.event.detected","data":{"event":{"event_group_id":"g"}}}',
    b'{"type":"monitor.execution.completed","data":{"monitor_id":7}}',
    detected("x" * 201),
    detected(""),
    detected("a\0b"),
    detected("a b"),
    detected("é"),
    detected(monitor="x" * 201),
    b'{"type":"monitor.event.detected","data":{"monitor_id":"m","event":{"event_group_id":"\\ud800"}}}',
    gzip.compress(detected()),
]


@sqlite_only
@pytest.mark.parametrize("body", MALFORMED)
async def test_signed_body_that_cannot_be_understood_is_400(database: Database, door: Door, body: bytes) -> None:
    answer = await door.post(body, sign_bytes(body, NOW_S))

    assert answer.status_code == 400
    assert error_of(answer)["type"] == "invalid_request_error"
    assert await written(database) == 0


async def test_body_of_256_kib_is_taken_and_a_larger_one_is_not(database: Database, door: Door) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    body = detected()
    full = body + b" " * (MOST_BODY_BYTES - len(body))

    assert (await door.post(full)).json()["status"] == "stored"
    answer = await door.post(full + b" ")

    assert answer.status_code == 413
    assert error_of(answer)["message"] == "A webhook has at most 262144 bytes."


@sqlite_only
async def test_body_that_does_not_end_is_refused_before_it_has_all_come(door: Door) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 65_536

    answer = await door.post(endless(), {"webhook-id": "w"})

    assert answer.status_code == 413
    assert sent <= 6


@sqlite_only
async def test_signature_is_over_the_body_as_it_was_sent(door: Door) -> None:
    body = gzip.compress(detected())

    answer = await door.post(body, signed(detected(), NOW_S) | {"content-encoding": "gzip"})

    assert answer.status_code == 401


async def test_without_a_secret_nothing_is_taken_and_the_log_names_the_variable_once_a_minute(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    closed = Door(database)

    for _ in range(3):
        assert (await closed.post(detected())).status_code == 503
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "PARALLEL_WEBHOOK_SECRET" in said[0]

    monkeypatch.setattr("app.monitors.webhooks._REMIND_S", 0.0)
    await closed.post(detected())
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 2
    assert await written(database) == 0


async def test_insecure_webhooks_are_taken_as_they_are_and_known_by_their_bodies(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    door = Door(database, insecure=True)

    stored = await door.post(detected(), {})
    again = await door.post(detected(), {})
    named = await door.post(detected("mevtgrp_2"), {"webhook-id": "whevent_2"})

    assert [each.json()["status"] for each in (stored, again, named)] == ["stored", "duplicate", "stored"]
    ids = [row[0] for row in await rows(database, "SELECT webhook_id FROM monitor_webhooks ORDER BY webhook_id")]
    assert ids[0].startswith("sha256_")
    assert ids[1:] == ["whevent_2"]
    assert caplog.text.count("PARALLEL_WEBHOOK_INSECURE") == 1


async def test_with_a_secret_insecure_means_nothing(database: Database) -> None:
    await put_monitor(database, parallel_id="monitor_1")

    answer = await Door(database, SECRET, insecure=True).post(detected(), {})

    assert answer.status_code == 401
    assert await written(database) == 0


async def test_address_that_sends_too_many_waits_and_others_do_not(database: Database) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    door = Door(database, SECRET, per_minute=3)
    statuses = [(await door.post(detected(), {})).status_code for _ in range(2)]
    statuses += [(await door.post(detected())).status_code for _ in range(2)]

    answer = await door.post(detected())

    assert statuses == [401, 401, 200, 429]
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert (await door.post(detected(), address="192.0.2.2")).json()["status"] == "duplicate"


async def test_while_the_database_is_locked_the_sender_is_told_to_come_again_and_gets_it_in(
    database: Database, database_url: str
) -> None:
    await put_monitor(database, parallel_id="monitor_1")
    hasty = open_database(database_url if database.path else f"{database_url}?lock_timeout=50ms")
    if database.path:
        await hasty.transact(lambda statements: statements.rows("PRAGMA busy_timeout = 10", {}))
    door = Door(hasty, SECRET)

    async with locked(database):
        refused = [await door.post(detected()) for _ in range(2)]
    taken = await door.post(detected())
    await hasty.aclose()

    assert [each.status_code for each in refused] == [503, 503]
    assert taken.json()["status"] == "stored"
    assert await rows(database, "SELECT count(*) FROM monitor_events") == [(1,)]


@contextlib.asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    """As by another process: a file as a whole, of a server the table."""
    async with database.begin() as connection:
        if database.path is None:
            await connection.execute(text("LOCK TABLE monitor_webhooks IN ACCESS EXCLUSIVE MODE"))
        yield


HEADER_VALUES = st.binary(max_size=300).filter(lambda value: not set(value) & set(b"\0\r\n")).map(bytes.strip)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["monitor.event.detected", "monitor.execution.failed", "x"]) | JSON,
        "timestamp": st.datetimes().map(str) | JSON,
        "data": st.fixed_dictionaries(
            {},
            optional={
                "monitor_id": st.just("monitor_1") | JSON,
                "event": st.fixed_dictionaries({}, optional={"event_group_id": JSON, "error": JSON}) | JSON,
                "metadata": st.fixed_dictionaries({}, optional={"llm_relay": JSON}) | JSON,
            },
        )
        | JSON,
    },
)
BODIES = st.binary(max_size=1000) | (ENVELOPES | JSON).map(json.dumps).map(str.encode)
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@sqlite_only
@FUZZ
@given(
    BODIES,
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "content-encoding", "content-type"]),
        HEADER_VALUES | st.sampled_from([str(NOW_S).encode(), b"v1,AAAA", b"whevent_1"]),
    ),
)
async def test_whatever_comes_unsigned_is_refused_and_not_written(
    database: Database, door: Door, body: bytes, values: dict[str, bytes]
) -> None:
    answer = await door.post(body, {name.encode(): value for name, value in values.items()})

    assert answer.status_code == 401
    assert await written(database) == 0


@FUZZ
@given(BODIES)
async def test_whatever_is_signed_is_taken_or_refused_and_never_a_fault_of_ours(door: Door, body: bytes) -> None:
    answer = await door.post(body, sign_bytes(body, NOW_S))

    assert answer.status_code in (200, 400)
