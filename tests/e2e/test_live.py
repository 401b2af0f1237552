"""Calls that are under way: seen and stopped at either of two workers, and gone from the database when nobody looks."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.chat import chunk
from tests.e2e.conftest import MODEL, PROVIDER_KEYS, providers_at
from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn
from tests.waiting import wait_for

pytestmark = pytest.mark.xdist_group("live")

STREAMS = 6
"""So many over connections of their own that both workers have some."""


@pytest.fixture(scope="module")
def workers(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("live"), providers_at(provider), PROVIDER_KEYS, workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def admin(workers: Gateway) -> str:
    return workers.add_token("operator", admin=True)


class Listener(threading.Thread):
    """A client of a stream that goes on until it is stopped."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(daemon=True)
        self._gateway = gateway
        self.request_id = ""
        self.body = b""
        self.start()

    def run(self) -> None:
        headers = {"authorization": f"Bearer {self._gateway.token}"}
        asked = chat(f"openai/{MODEL}", stream=True)
        url = f"{self._gateway.base_url}/v1/chat/completions"
        with httpx.stream("POST", url, json=asked, headers=headers, timeout=WAIT_S, trust_env=False) as response:
            self.request_id = response.headers["x-request-id"]
            for piece in response.iter_bytes():
                self.body += piece


def ask(gateway: Gateway, token: str, method: str, path: str) -> httpx.Response:
    """Over a connection of its own, so that any worker may take it."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.request(method, gateway.base_url + path, headers=headers, timeout=WAIT_S, trust_env=False)


def tables(gateway: Gateway) -> dict[str, int]:
    """How many rows of live calls there are."""
    with contextlib.closing(sqlite3.connect(f"file:{gateway.database_path}?mode=ro", uri=True)) as connection:
        names = ("live_calls", "live_stops")
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def test_streams_are_seen_and_stopped_at_whichever_worker(workers: Gateway, admin: str, provider: StandIn) -> None:
    provider.forget()
    provider.answer = Answer.events(chunk({"role": "assistant", "content": "one two three"}), done=False, hold=True)
    listeners = [Listener(workers) for _ in range(STREAMS)]
    wait_for(lambda: all(b"three" in listener.body for listener in listeners))

    seen: dict[str, Any] = ask(workers, admin, "GET", "/admin/api/live").json()

    assert seen["count"] == STREAMS
    calls = {call["id"]: call for call in seen["calls"]}
    assert calls.keys() == {listener.request_id for listener in listeners}
    call = calls[listeners[0].request_id]
    assert (call["provider"], call["model"], call["answering"], call["estimated"]) == ("openai", MODEL, True, True)
    assert call["completion_tokens"] > 0
    assert [(target["model"], target["under_way"] >= 0) for target in seen["targets"]] == [(MODEL, True)]

    for listener in listeners:
        path = f"/admin/api/live/{listener.request_id}/stop"
        assert ask(workers, admin, "POST", path).status_code == 202
    for listener in listeners:
        listener.join(WAIT_S)
        assert b"An administrator stopped this call." in listener.body

    assert all(exchange.wait_until_left() for exchange in provider.posts)
    row = workers.row_of(listeners[0].request_id)
    assert (row["outcome"], row["error"]) == ("cut", "An administrator stopped this call.")
    assert row["output_tokens"] > 0
    entries = ask(workers, admin, "GET", "/admin/api/audit?action=call.stop").json()["entries"]
    assert {entry["subject"] for entry in entries} == calls.keys()
    assert entries[0]["before"]["name"] == f"openai/{MODEL}"
    # The other worker may still go by what was told a second ago.
    path = f"/admin/api/live/{listeners[0].request_id}/stop"
    wait_for(lambda: ask(workers, admin, "POST", path).status_code == 404)


def test_feed_tells_what_is_under_way_and_what_is_written_is_gone_when_nobody_looks(
    workers: Gateway, admin: str
) -> None:
    with contextlib.closing(sqlite3.connect(workers.database_path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO live_stops (request_id, asked_at) VALUES ('req_that_has_ended', 0)")
    headers = {"authorization": f"Bearer {admin}"}
    url = f"{workers.base_url}/admin/api/live/stream"
    with httpx.stream("GET", url, headers=headers, timeout=WAIT_S, trust_env=False) as response:
        first = next(line for line in response.iter_lines() if line.startswith("data: "))
        wait_for(lambda: tables(workers)["live_calls"] > 0)

    assert json.loads(first.removeprefix("data: "))["count"] == 0
    wait_for(lambda: tables(workers) == {"live_calls": 0, "live_stops": 0}, WAIT_S)


def test_feed_ends_with_the_gateway(workers: Gateway, admin: str) -> None:  # the last one here
    headers = {"authorization": f"Bearer {admin}"}
    url = f"{workers.base_url}/admin/api/live/stream"
    with httpx.stream("GET", url, headers=headers, timeout=WAIT_S, trust_env=False) as response:
        lines = response.iter_lines()
        next(lines)

        stopping = threading.Thread(target=workers.stop)
        stopping.start()
        for _ in lines:
            pass
    stopping.join(WAIT_S)

    assert not stopping.is_alive()
