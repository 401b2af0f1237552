"""Four workers over one database: one first token, tokens that come and go while they run, and one that is killed."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.faulty import WAIT_S, chat
from tests.e2e.gateway import Gateway, running_gateway
from tests.e2e.load import workers_of

pytestmark = pytest.mark.xdist_group("workers")

ROOT = Path(__file__).parents[2]
WORKERS = 4
HEALTH_S = 30.0
"""For so long the supervisor waits for a sign of life of a worker that died just when it was asked for one."""
TOKEN = re.compile(r"lr_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}")
# The promise; a machine that is busy with other tests may take some more.
WITHDRAWN_S = 2.0
BUSY_S = 3.0


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), workers=WORKERS, anew=True) as running:
        yield running


def cli(gateway: Gateway, *arguments: str) -> str:
    """What a command says that works on the database of `gateway`."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "RELAY_DATA_DIR": str(gateway.data_dir)}
    process = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=gateway.folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=True,
    )
    return process.stdout.strip()


def status_of_a_call(gateway: Gateway, token: str) -> int:
    """Over a connection of its own, so that any worker may take it."""
    headers = {"authorization": f"Bearer {token}"}
    url = f"{gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=chat("demo"), headers=headers, timeout=WAIT_S, trust_env=False).status_code


def wait_for_all(gateway: Gateway) -> None:
    for _ in range(300):
        if gateway.output().count("Application startup complete") >= WORKERS:
            break
        time.sleep(0.1)


def test_all_workers_together_show_one_first_token(gateway: Gateway) -> None:
    wait_for_all(gateway)  # each of them has looked for a token by then

    assert set(TOKEN.findall(gateway.output())) == {gateway.token}
    assert gateway.output().count("This is the first start") == 1


def test_first_token_is_not_in_the_log_file(gateway: Gateway) -> None:
    assert status_of_a_call(gateway, gateway.token) == 200

    assert gateway.log_file.stat().st_size > 0
    assert not TOKEN.search(gateway.log_file.read_text())
    assert gateway.token not in gateway.database_path.read_bytes().decode("latin-1")


def test_token_that_is_made_while_they_run_works_at_once_in_each(gateway: Gateway) -> None:
    token = cli(gateway, "tokens", "add", "--username", "newcomer", "--rate-limit", "100", "--quiet")

    assert [status_of_a_call(gateway, token) for _ in range(12)] == [200] * 12


@pytest.mark.parametrize("command", [("disable",), ("delete",)], ids=["disabled", "deleted"])
def test_token_that_is_withdrawn_is_refused_soon_by_each(gateway: Gateway, command: tuple[str, ...]) -> None:
    token = cli(gateway, "tokens", "add", "--username", "leaver", "--rate-limit", "10000", "--quiet")
    assert status_of_a_call(gateway, token) == 200

    cli(gateway, "tokens", *command, "--token", token)
    begun = last_admitted = time.monotonic()
    refused_in_a_row = 0
    while refused_in_a_row < 12:
        assert time.monotonic() - begun < WAIT_S, "the token still works"
        if status_of_a_call(gateway, token) == 401:
            refused_in_a_row += 1
        else:
            refused_in_a_row, last_admitted = 0, time.monotonic()
            time.sleep(0.02)

    print(f"refused after {last_admitted - begun:.2f} s")  # noqa: T201 - see pytest -s
    assert last_admitted - begun < WITHDRAWN_S + BUSY_S


def test_worker_that_is_killed_is_replaced_and_the_others_serve_on(gateway: Gateway) -> None:
    wait_for_all(gateway)  # one that dies while it starts is missed only after its health check's 30 s
    before = workers_of(gateway)
    assert len(before) == WORKERS

    os.kill(before[0], signal.SIGKILL)
    deadline = time.monotonic() + WAIT_S + HEALTH_S
    while len(set(workers_of(gateway)) - {before[0]}) < WORKERS:
        assert time.monotonic() < deadline, "no worker took its place"
        time.sleep(0.05)

    assert before[0] not in workers_of(gateway)
    assert [status_of_a_call(gateway, gateway.token) for _ in range(12)] == [200] * 12


async def test_calls_of_a_worker_that_is_killed_fail_and_those_of_others_do_not(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.token}"}
    begun = asyncio.Semaphore(0)

    async def one() -> int | None:
        async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False, headers=headers) as client:
            url, body = f"{gateway.base_url}/v1/chat/completions", chat("demo", stream=True)
            try:
                async with client.stream("POST", url, json=body) as answer:
                    begun.release()
                    await answer.aread()
            except httpx.TransportError:
                return None
            return answer.status_code

    calls, workers = [], workers_of(gateway)
    for taking in workers:
        for other in set(workers) - {taking}:  # whoever wakes first takes all calls
            os.kill(other, signal.SIGSTOP)
        calls += [asyncio.create_task(one()) for _ in range(5)]
        for _ in range(5):
            await begun.acquire()
        for other in set(workers) - {taking}:
            os.kill(other, signal.SIGCONT)
    os.kill(workers[-1], signal.SIGKILL)

    assert await asyncio.gather(*calls) == [200] * 5 * (WORKERS - 1) + [None] * 5


def test_second_start_shows_no_token(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        token = gateway.token
    first_output = gateway.output()

    gateway.start()
    gateway.stop()

    second_output = gateway.output().removeprefix(first_output)
    assert "startup complete" in second_output
    assert not TOKEN.search(second_output)
    assert TOKEN.findall(first_output).count(token) == 2  # by itself, and in the command to try it
