"""Monitors from end to end: a gateway process, a Parallel that signs and repeats its webhooks, and users who ask for what is new."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.auth.tokens import id_of
from app.monitors.desk import NoSuchMonitor
from tests.e2e.gateway import Gateway
from tests.monitor_rows import SECRET
from tests.parallel_server import Fault, ParallelServer, running_parallel
from tests.waiting import WAIT_S, wait_for

pytestmark = [pytest.mark.xdist_group("monitors")]


@pytest.fixture(scope="module")
def parallel() -> Iterator[ParallelServer]:
    with running_parallel(secrets=[SECRET]) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(parallel: ParallelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    running = Gateway(
        tmp_path_factory.mktemp("monitors"),
        environ={"PARALLELAI_API_KEY": parallel.key, "PARALLEL_BASE_URL": parallel.base_url} | webhook_settings(),
    )
    running.set_environ(MONITOR_WEBHOOK_URL=webhook_url(running))
    running.start()
    yield running
    running.stop()


def webhook_settings() -> dict[str, str]:
    return {"PARALLEL_WEBHOOK_SECRET": SECRET, "WEBHOOKS_PER_MINUTE": "100000"}


def webhook_url(gateway: Gateway) -> str:
    return f"{gateway.base_url}/webhooks/parallel-monitor"


@pytest.fixture
def faults(parallel: ParallelServer) -> Iterator[ParallelServer]:
    """The same Parallel, healed afterwards."""
    yield parallel
    parallel.heal()


class User:
    """Somebody with a token."""

    def __init__(self, gateway: Gateway, name: str, **fields: Any) -> None:
        self.name = name
        self.token = gateway.add_token(name, **fields)
        self.http = httpx.Client(
            base_url=gateway.base_url,
            headers={"authorization": f"Bearer {self.token}"},
            trust_env=False,
            timeout=WAIT_S,
        )

    def create(self, **fields: Any) -> dict[str, Any]:
        """A monitor; its JSON."""
        answer = self.http.post("/v1/monitors/create", json={"query": "releases", "cadence": "daily"} | fields)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def ask(self, text: str = "What is new?", model: str = "speed") -> str:
        """What the model says."""
        answer = self.http.post(
            "/v1/chat/completions", json={"model": model, "messages": [{"role": "user", "content": text}]}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["choices"][0]["message"]["content"])

    def has(self, monitor_id: str, group: str) -> bool:
        """Whether that event group is among what it found."""
        return any(each["event_group_id"] == group for each in self.groups(monitor_id))

    def groups(self, monitor_id: str) -> list[dict[str, Any]]:
        """What it found."""
        groups: list[dict[str, Any]] = self.http.get(f"/v1/monitors/{monitor_id}/events").json()["event_groups"]
        return groups


_numbers = iter(range(1_000_000))


@pytest.fixture
def new_user(gateway: Gateway) -> Iterator[Callable[..., User]]:
    with contextlib.ExitStack() as stack:

        def make(**fields: Any) -> User:
            user = User(gateway, f"user-{next(_numbers)}", **fields)
            stack.enter_context(user.http)
            return user

        yield make


@pytest.fixture
def user(new_user: Callable[..., User]) -> User:
    return new_user()


def test_what_a_monitor_finds_is_told_once(user: User, parallel: ParallelServer) -> None:
    monitor_id = user.create()["monitor_id"]

    parallel.detect(monitor_id, "Acme AI raised a $50M Series B.")
    wait_for(lambda: [each for each in user.groups(monitor_id) if each["state"] == "pending"])

    assert "Acme AI raised a $50M Series B." in user.ask()
    assert "nothing new" in user.ask()
    [group] = user.groups(monitor_id)
    assert (group["state"], group["events"][0]["text"]) == ("delivered", "Acme AI raised a $50M Series B.")


def test_answer_to_a_creation_is_the_predecessors_and_more(user: User, gateway: Gateway) -> None:
    told = user.create()

    assert {"monitor_id", "status", "cadence", "query", "webhook_url", "message"} <= told.keys()
    assert (told["status"], told["cadence"], told["query"]) == ("active", "daily", "releases")
    assert told["webhook_url"] == webhook_url(gateway)
    assert "forward_secret" not in told
    assert user.http.get(f"/v1/monitors/{told['monitor_id']}").json()["expires_at"] == told["expires_at"]


def test_second_one_takes_the_place_of_the_first(user: User, parallel: ParallelServer) -> None:
    first, second = user.create(), user.create(frequency="6h", cadence=None)

    assert second["replaced"] == [first["monitor_id"]]
    assert second["cadence"] is None
    listed = user.http.get("/v1/monitors").json()["monitors"]
    assert [(each["monitor_id"], each["status"], each["reason"]) for each in listed] == [
        (second["monitor_id"], "active", None),
        (first["monitor_id"], "cancelled", "replaced"),
    ]
    assert first["monitor_id"] not in parallel.active


def test_it_may_also_be_posted_to_the_list_and_found_there_by_its_status(user: User) -> None:
    answer = user.http.post("/v1/monitors", json={"query": "releases", "frequency": "2d"})

    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    for status, count in (("active", 1), ("cancelled", 0)):
        assert len(user.http.get("/v1/monitors", params={"status": status}).json()["monitors"]) == count
    refused = user.http.get("/v1/monitors", params={"status": "dead"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "status")


def test_each_request_takes_a_unit_and_leaves_a_record(new_user: Callable[..., User], gateway: Gateway) -> None:
    user = new_user(rate_limit=3)
    monitor_id = user.create()["monitor_id"]
    assert user.http.get("/v1/monitors").headers["x-ratelimit-remaining-requests"] == "1"
    assert user.http.delete(f"/v1/monitors/{monitor_id}").status_code == 200

    refused = user.http.get("/v1/monitors")

    assert refused.status_code == 429
    rows = wait_for(
        lambda: (
            (found := [row for row in gateway.rows() if row["token_id"] == id_of(user.token)])
            and len(found) == 3
            and found
        )
    )
    assert [(row["surface"], row["provider"], row["model"], row["cost"]) for row in rows] == [
        ("monitors", "monitors", model, 0) for model in ("create", "list", "cancel")
    ]


def test_what_is_refused_gives_its_unit_back(new_user: Callable[..., User]) -> None:
    user = new_user(rate_limit=1)

    for body in (
        {},
        {"query": "x", "cadence": "yearly"},
        {"query": "x", "cadence": "daily", "metadata": {"k" * 17: ""}},
    ):
        refused = user.http.post("/v1/monitors/create", json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"]
    assert user.http.get("/v1/monitors/none").json()["error"]["code"] == NoSuchMonitor.code
    assert user.http.get("/v1/monitors").status_code == 200


def test_refusal_of_parallel_reaches_the_client_in_its_words(user: User, faults: ParallelServer) -> None:
    faults.order(Fault(status=422), "create")

    refused = user.http.post("/v1/monitors/create", json={"query": "x", "cadence": "daily"})

    assert refused.status_code == 422
    assert "ref_id" in refused.json()["error"]["message"]


def test_key_that_parallel_does_not_take_is_not_the_clients_fault(user: User, faults: ParallelServer) -> None:
    faults.order(Fault(status=401), "create")

    refused = user.http.post("/v1/monitors/create", json={"query": "x", "cadence": "daily"})

    assert refused.status_code == 502
    assert faults.key not in refused.text


def test_end_that_parallel_has_not_agreed_to_is_under_way(user: User, faults: ParallelServer) -> None:
    monitor_id = user.create()["monitor_id"]
    faults.order(Fault(status=422), "cancel", times=10)

    ended = user.http.delete(f"/v1/monitors/{monitor_id}")

    assert (ended.status_code, ended.json()["status"]) == (202, "cancelling")
    assert ended.json()["last_error"]


def test_runs_without_an_event_are_noted(user: User, parallel: ParallelServer) -> None:
    monitor_id = user.create()["monitor_id"]

    def told() -> dict[str, Any]:
        answer: dict[str, Any] = user.http.get(f"/v1/monitors/{monitor_id}").json()
        return answer

    assert told()["last_run_at"] is None
    parallel.complete(monitor_id)
    wait_for(lambda: told()["last_run_at"])
    parallel.fail(monitor_id, "the quota is used up")
    wait_for(lambda: told()["last_error"])
    assert "the quota is used up" in told()["last_error"]


def test_run_now(user: User, parallel: ParallelServer) -> None:
    monitor_id = user.create()["monitor_id"]

    assert user.http.post(f"/v1/monitors/{monitor_id}/trigger").status_code == 202
    assert parallel.runs[-1] == monitor_id
    user.http.delete(f"/v1/monitors/{monitor_id}")
    assert user.http.post(f"/v1/monitors/{monitor_id}/trigger").status_code == 409


def test_fetch_that_fails_keeps_events_pending(user: User, faults: ParallelServer) -> None:
    monitor_id = user.create()["monitor_id"]
    faults.order(Fault(status=422), "events", times=1000)

    faults.detect(monitor_id, "A bridge was opened.")
    wait_for(lambda: [each for each in user.groups(monitor_id) if each["attempts"]])

    assert "not fetched" in user.ask()
    assert user.groups(monitor_id)[0]["state"] == "waiting"
    faults.heal()
    wait_for(lambda: "A bridge was opened." in user.ask())


def test_events_come_as_they_are_found(user: User, parallel: ParallelServer) -> None:
    monitor_id = user.create()["monitor_id"]

    with user.http.stream("GET", "/v1/monitors/events/stream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        group = parallel.detect(monitor_id, "First.")
        told = list(_until(lines, "data: "))
    assert f"id: {group}" in told
    data = json.loads(told[-1].removeprefix("data: "))
    assert (data["monitor_id"], data["events"][0]["text"]) == (monitor_id, "First.")

    second = parallel.detect(monitor_id, "Second.")
    with user.http.stream("GET", "/v1/monitors/events/stream", headers={"last-event-id": group}) as stream:
        assert f"id: {second}" in list(_until(stream.iter_lines(), "data: "))


def test_stream_tells_nothing_more_when_its_token_is_gone(
    user: User, gateway: Gateway, parallel: ParallelServer
) -> None:
    monitor_id = user.create()["monitor_id"]
    with user.http.stream("GET", "/v1/monitors/events/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 3000"
        subprocess.run(
            [sys.executable, "-m", "cli", "tokens", "delete", "--id", id_of(user.token)],
            cwd=gateway.folder,
            env=gateway.environment(),
            capture_output=True,
            timeout=60,
            check=True,
        )
        wait_for(lambda: user.http.get("/v1/monitors").status_code == 401)

        parallel.detect(monitor_id, "Not for those who were sent away.")

        assert [line for line in lines if line and not line.startswith(":")] == []


def _until(lines: Iterator[str], beginning: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line.startswith(beginning):
            return


def test_nobody_reaches_another_users_monitor_by_any_route(
    new_user: Callable[..., User], parallel: ParallelServer
) -> None:
    owner, stranger = new_user(), new_user()
    monitor_id = owner.create()["monitor_id"]
    group = parallel.detect(monitor_id, "A secret of the owner.")
    wait_for(lambda: [each for each in owner.groups(monitor_id) if each["state"] == "pending"])
    document = owner.http.get("/openapi.json").json()
    routes = [
        (method, path)
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/v1/monitors") and not path.endswith("/stream")
    ]
    assert len(routes) >= 8

    for method, path in routes:
        place = path.replace("{monitor_id}", monitor_id).replace("{delivery_id}", "mdl_1")
        body = {"query": "mine", "cadence": "daily"} if path.endswith("/create") else None
        answer = stranger.http.request(method, place, json=body)
        if "{" in path:
            assert answer.status_code == 404, (method, path)
        for text in ("A secret of the owner", group, monitor_id if "{" not in path else "A secret"):
            assert text not in answer.text, (method, path)
    for model in ("speed", "monitor-updates"):
        assert "A secret of the owner" not in stranger.ask(model=model)
    assert "A secret of the owner" in owner.ask()
    assert owner.http.get(f"/v1/monitors/{monitor_id}").json()["status"] == "active"


def test_nobody_reads_along_with_another_user(new_user: Callable[..., User], parallel: ParallelServer) -> None:
    owner, stranger = new_user(), new_user()
    owned, own = owner.create()["monitor_id"], stranger.create()["monitor_id"]
    first = parallel.detect(owned, "A secret of the owner.")
    wait_for(lambda: [each for each in owner.groups(owned) if each["state"] == "pending"])

    for last in (None, first):
        headers = {"last-event-id": last} if last else {}
        with stranger.http.stream("GET", "/v1/monitors/events/stream", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 3000"
            second = parallel.detect(owned, "Another one.")
            wait_for(partial(owner.has, owned, second))
            parallel.detect(own, "The stranger's own.")
            [data] = [line for line in _until(lines, "data: ") if line.startswith("data: ")]
        assert "The stranger's own." in data


def test_without_a_token_there_is_nothing(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.base_url}/v1/monitors", trust_env=False).status_code == 401
    stream = httpx.get(f"{gateway.base_url}/v1/monitors/events/stream", trust_env=False)
    assert stream.status_code == 401


def test_what_is_documented_is_what_is_got(new_user: Callable[..., User], gateway: Gateway) -> None:
    user = new_user(rate_limit=1_000_000)
    user.create()
    schemathesis = str(Path(sys.executable).with_name("schemathesis"))
    run = subprocess.run(
        [
            *(schemathesis, "run", f"{gateway.base_url}/openapi.json", "--include-path-regex", "/v1/monitors"),
            *("--exclude-path-regex", "stream", "--phases", "examples,fuzzing", "--max-examples", "3", "--no-color"),
            *("--exclude-checks", "positive_data_acceptance"),  # which addresses may be forwarded to, no schema says
            *("--header", f"Authorization: Bearer {user.token}"),
        ],
        cwd=gateway.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stdout


def test_webhook_during_a_restart_comes_again(user: User, gateway: Gateway, parallel: ParallelServer) -> None:
    monitor_id = user.create()["monitor_id"]
    gateway.stop()

    group = parallel.detect(monitor_id, "It happened in the night.")
    [delivery] = [each for each in parallel.deliveries if group.encode() in each.body]
    wait_for(lambda: len(delivery.statuses) > 0)
    gateway.start()
    parallel.wait_for_deliveries()

    wait_for(lambda: "It happened in the night." in user.ask())


def test_killed_amid_a_creation(user: User, gateway: Gateway, faults: ParallelServer) -> None:
    first = user.create()["monitor_id"]
    faults.order(Fault(delay_s=3), "create")
    with pytest.raises(httpx.TransportError):
        _while_killing(gateway, faults, lambda: user.create(query="never told"))
    [lost] = [each for each in faults.monitors if each["settings"]["query"] == "never told"]
    gateway.start()

    listed = user.http.get("/v1/monitors").json()["monitors"]
    assert [each["monitor_id"] for each in listed if each["status"] == "active"] == [first]
    # What is so young may still be on its way, for all that a reconciler knows.
    assert lost["monitor_id"] in faults.active
    gateway.stop()  # else it may be faster than the command
    age(gateway, minutes=10)
    done = run(gateway, "reconcile", "--json")
    assert done["cancelled"] == [lost["monitor_id"]]
    assert lost["monitor_id"] not in faults.active
    assert first in faults.active


def _while_killing(gateway: Gateway, parallel: ParallelServer, work: Callable[[], Any]) -> Any:
    before = len(parallel.monitors)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(work)
        wait_for(lambda: len(parallel.monitors) > before)
        gateway.kill()
        return asking.result()


def age(gateway: Gateway, *, minutes: int) -> None:
    """Have all monitors that are being created be older than they are."""
    with contextlib.closing(sqlite3.connect(gateway.database_path, isolation_level=None)) as connection:
        connection.execute(
            "UPDATE monitors SET created_at = created_at - ? WHERE status = 'creating'", (minutes * 60_000,)
        )


def run(gateway: Gateway, *arguments: str, status: int = 0) -> Any:
    """What a command of `llm-relay monitors` prints; decoded with `--json`."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", "monitors", *arguments],
        cwd=gateway.folder,
        env=gateway.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr
