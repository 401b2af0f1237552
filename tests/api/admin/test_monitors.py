"""Monitors of all users over HTTP, with a Parallel to ask and the audit log that tells who did what."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.admin.later import Admin
from app.api.admin.monitors import monitors_router
from app.core.cursors import write_cursor
from app.monitor_service import MonitorService, open_monitors
from app.providers.transport import Transport
from app.settings import load_settings
from app.store.audit import read_entries
from app.store.db import Database
from app.store.monitors.events import find_event_group
from app.store.monitors.webhooks import Webhook, take_webhook
from app.store.tokens import StoredToken, insert_tokens
from tests.api.named import authorise_by_name
from tests.monitor_rows import put_group, put_monitor, rows
from tests.parallel_server import Fault, ParallelServer, running_parallel

URL = "/admin/api/monitors"
ASKED = {"username": "ana", "query": "releases of Python", "cadence": "daily"}


@pytest.fixture
def parallel() -> Iterator[ParallelServer]:
    with running_parallel() as server:
        yield server


@pytest.fixture
async def service(
    database: Database, parallel: ParallelServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[MonitorService]:
    monkeypatch.setenv("RELAY_ENV_FILE", "")
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PARALLELAI_API_KEY", parallel.key)
    monkeypatch.setenv("PARALLEL_BASE_URL", parallel.base_url)
    monkeypatch.setenv("MONITOR_WEBHOOK_URL", "https://relay.example/webhooks/parallel-monitor")
    settings, transport = load_settings(), Transport()
    await insert_tokens(database, [StoredToken("tok00001", b"a", "ana", rate_limit=1, created_at=1)])
    opened = open_monitors(
        settings, database, transport, settings.secret, retention_days=lambda: settings.retention_days
    )
    yield opened
    await opened.aclose()
    await transport.aclose()


@pytest.fixture
async def client(service: MonitorService) -> AsyncIterator[httpx.AsyncClient]:
    authorise = authorise_by_name()
    app = Admin(lambda: [monitors_router(authorise, service.operators)], authorise)
    headers = {"authorization": "Bearer root"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://relay", headers=headers
    ) as opened:
        yield opened


async def test_one_is_made_triggered_and_ended_and_the_audit_log_says_by_whom(
    client: httpx.AsyncClient, database: Database, parallel: ParallelServer
) -> None:
    created = await client.post(URL, json=ASKED)
    handle = created.json()["monitor_id"]
    triggered = await client.post(f"{URL}/{handle}/trigger")
    ended = await client.delete(f"{URL}/{handle}")
    reconciled = await client.post(f"{URL}/reconcile")

    assert (created.status_code, triggered.status_code, ended.status_code) == (201, 202, 200)
    assert ended.json()["status"] == "cancelled"
    assert reconciled.json() == {"closed": [], "cancelled": [], "given_up": [], "failed": {}}
    assert parallel.active == []
    entries = [
        (each.action, each.subject, each.after.get("outcome")) for each in reversed(await read_entries(database))
    ]
    assert entries == [
        ("monitor.create", handle, None),
        ("monitor.trigger", handle, "begun"),
        ("monitor.trigger", handle, "done"),
        ("monitor.cancel", handle, None),
        ("monitor.reconcile", "all", "begun"),
        ("monitor.reconcile", "all", "done"),
    ]


async def test_what_cannot_be_made_is_said_and_noted_nowhere(client: httpx.AsyncClient, database: Database) -> None:
    nobody = await client.post(URL, json=ASKED | {"username": "nobody"})
    never = await client.post(URL, json=ASKED | {"cadence": "never"})
    unknown = await client.delete(f"{URL}/mon_x")
    ended = await put_monitor(database, "ana", status="failed", slot=None)
    not_running = await client.post(f"{URL}/{ended.id}/trigger")

    assert [each.status_code for each in (nobody, never, unknown)] == [400, 400, 404]
    assert not_running.status_code == 409
    assert nobody.json()["error"]["param"] == "username"
    assert await read_entries(database) == []


async def test_what_parallel_refuses_is_refused_as_what_the_gateway_does(
    client: httpx.AsyncClient, parallel: ParallelServer
) -> None:
    parallel.order(Fault(status=422), "create")

    refused = await client.post(URL, json=ASKED)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_parameters")
    assert "ref_id" in refused.json()["error"]["message"]


async def test_what_users_do_themselves_is_not_in_the_audit_log(service: MonitorService, database: Database) -> None:
    from app.monitors.asked import AskedMonitor

    created = await service.creation.create("ana", AskedMonitor("x", "1d"), token_id="tok00001")
    await service.desk.cancel("ana", created.monitor.handle)

    assert await read_entries(database) == []


async def test_list_is_filtered_and_paged_without_gaps(client: httpx.AsyncClient, database: Database) -> None:
    made = [
        await put_monitor(database, name, created_at=number // 2, query=f"topic {number} of 100%")
        for number, name in enumerate(["ana", "ben", "ana", "ben", "ana"])
    ]
    await put_monitor(database, "ana", status="failed", slot=None, query="100 others")

    listed: list[str] = []
    params: dict[str, str] | None = {"limit": "2", "status": "active"}
    while params is not None:
        answer = (await client.get(URL, params=params)).json()
        listed += [each["id"] for each in answer["monitors"]]
        params = params | {"cursor": answer["next_cursor"]} if answer["next_cursor"] else None

    async def found(**params: str) -> set[str]:
        return {each["id"] for each in (await client.get(URL, params=params)).json()["monitors"]}

    assert listed == [each.id for each in sorted(made, key=lambda each: (-each.created_at, each.id))]
    assert await found(username="ben") == {made[1].id, made[3].id}
    assert await found(q="100%") == {each.id for each in made}
    assert await found(q=made[2].parallel_id or "") == {made[2].id}
    assert (await client.get(URL, params={"cursor": write_cursor(10**30, "x")})).status_code == 400


async def test_report_that_was_given_up_is_asked_for_again(client: httpx.AsyncClient, database: Database) -> None:
    monitor = await put_monitor(database, "ana")
    given_up: dict[str, Any] = {
        "fetched_at": None,
        "gave_up_at": 5,
        "attempts": 9,
        "last_error": "Parallel answered 500.",
    }
    await put_group(database, monitor, "group_lost", **given_up)
    await put_group(database, monitor, "group_here")

    before = (await client.get(f"{URL}/{monitor.id}/events")).json()["event_groups"]
    asked = await client.post(f"{URL}/{monitor.id}/events/group_lost/fetch")
    again = await client.post(f"{URL}/{monitor.id}/events/group_here/fetch")

    assert {each["event_group_id"]: each["state"] for each in before} == {
        "group_lost": "given_up",
        "group_here": "pending",
    }
    assert (asked.status_code, again.status_code) == (204, 404)
    group = await find_event_group(database, "group_lost")
    assert group is not None
    assert (group.state, group.attempts) == ("waiting", 0)
    assert [each.action for each in await read_entries(database)] == ["monitor.fetch"]


async def test_webhooks_and_deliveries_of_one_are_shown(client: httpx.AsyncClient, database: Database) -> None:
    monitor = await put_monitor(database, "ana", forward_url="https://hooks.example/secret/path", forward_secret="s")
    parallel_id = monitor.parallel_id or ""
    await take_webhook(database, Webhook("wh_1", "monitor.event.detected", parallel_id, event_group_id="g1"), 5)
    await take_webhook(database, Webhook("wh_2", "monitor.event.detected", "monitor_of_another"), 6)

    of_one = (await client.get(f"{URL}/{monitor.id}/webhooks")).json()["webhooks"]
    of_all = (await client.get(f"{URL}/webhooks")).json()["webhooks"]
    shown = await client.get(f"{URL}/{monitor.id}")

    assert [(each["webhook_id"], each["result"]) for each in of_one] == [("wh_1", "stored")]
    assert [(each["webhook_id"], each["result"]) for each in of_all] == [("wh_2", "unknown"), ("wh_1", "stored")]
    assert shown.json()["forwards_to"] == "hooks.example"
    assert "secret" not in shown.text
    assert (await client.get(f"{URL}/{monitor.id}/deliveries")).json() == {"deliveries": []}
    assert (await client.post(f"{URL}/{monitor.id}/deliveries/x/replay")).status_code == 404
    assert await rows(database, "SELECT COUNT(*) FROM audit_log") == [(0,)]


async def test_what_is_not_set_up_is_said(client: httpx.AsyncClient) -> None:
    missing = (await client.get(f"{URL}/setup")).json()["missing"]

    assert [each["setting"] for each in missing] == ["PARALLEL_WEBHOOK_SECRET"]
