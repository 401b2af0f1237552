"""What is kept of what was said, and of whose calls; and how an operator reads it."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.e2e.chat import chunk, failure, whole, words
from tests.e2e.conftest import ONE_ATTEMPT
from tests.e2e.gateway import ROWS_S, Gateway, running_gateway
from tests.e2e.standin import Answer, StandIn

MARK = "said-7f3a91"
SAID = [{"role": "user", "content": MARK}]


@pytest.fixture(scope="module")
def relay(provider: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"openai": {"base_url": f"{provider.base_url}/v1", "supported_models": ["m"], **ONE_ATTEMPT}}
    with running_gateway(tmp_path_factory.mktemp("bodies"), config) as running:
        yield running


def call(relay: Gateway, token: str, *, stream: bool = False, path: str = "/v1/chat/completions") -> httpx.Response:
    return httpx.post(
        relay.base_url + path,
        json={"model": "m@team", "messages": SAID, "stream": stream},
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=20,
    )


def show(relay: Gateway, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", "requests", "show", *arguments],
        cwd=relay.folder,
        env={"PATH": os.environ["PATH"]} | relay.environment() | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wait_for_bodies(relay: Gateway, *answers: httpx.Response) -> None:
    wanted, give_up_at = {answer.headers["x-request-id"] for answer in answers}, time.monotonic() + ROWS_S
    while not wanted <= kept_of(relay):
        assert time.monotonic() < give_up_at, "bodies did not come into the database"
        time.sleep(0.05)


def kept_of(relay: Gateway) -> set[str]:
    with closing(sqlite3.connect(f"file:{relay.database_path}?mode=ro", uri=True)) as connection:
        return {request_id for (request_id,) in connection.execute("SELECT request_id FROM request_bodies")}


def test_what_calls_of_such_a_token_ask_and_get_is_kept(relay: Gateway, standin: StandIn) -> None:
    token, other = relay.add_token(log_bodies=True), relay.add_token()

    standin.answer = whole(MARK)
    answers = [call(relay, token), call(relay, other)]
    standin.answer = words("some ", MARK)
    answers += [call(relay, token, stream=True), call(relay, other, stream=True)]
    standin.answer = failure(400, "Refused")  # which is recorded, as all errors are
    answers += [call(relay, token)]
    standin.answer = Answer.events(chunk({"content": MARK}), {"error": {"message": "Stopped"}}, done=False)
    answers += [call(relay, token, stream=True)]
    refused = call(relay, token, path="/v1/messages")

    wait_for_bodies(relay, *(answers[index] for index in (0, 2, 4, 5)))
    for answer in answers:
        shown = show(relay, answer.headers["x-request-id"], "--bodies", "--json")
        if answer.request.headers["authorization"].endswith(other):
            assert shown.returncode == 1
            assert "is not kept" in shown.stderr
            continue
        told = json.loads(shown.stdout)
        assert told["tags"] == ["team"]
        assert told["request_body"]["text"].encode() == answer.request.content
        assert told["reply_body"]["text"] == answer.text
        assert told["reply_body"]["bytes"] == told["reply_body"]["kept"] == len(answer.content)
    assert refused.status_code == 400
    assert "There is no call" in show(relay, refused.headers["x-request-id"]).stderr


def test_bodies_are_nowhere_in_the_clear_and_no_token_is_in_them(relay: Gateway, standin: StandIn) -> None:
    token = relay.add_token(log_bodies=True)
    standin.answer = whole(MARK)
    answer = call(relay, token)
    wait_for_bodies(relay, answer)

    shown = show(relay, answer.headers["x-request-id"], "--bodies")

    assert shown.stdout.count(MARK) == 2
    assert token not in shown.stdout
    kept = {path.name: path.read_bytes() for path in relay.folder.rglob("*") if path.is_file()}
    assert {"relay.db", "relay.log", "bodies.key"} <= kept.keys()
    assert [name for name, content in kept.items() if MARK.encode() in content] == []
    assert (relay.data_dir / "bodies.key").stat().st_mode & 0o777 == 0o600


def test_wrong_key_says_so(relay: Gateway, standin: StandIn) -> None:
    standin.answer = whole(MARK)
    answer = call(relay, relay.add_token(log_bodies=True))
    request_id = answer.headers["x-request-id"]
    wait_for_bodies(relay, answer)

    shown = show(relay, request_id, "--bodies", BODIES_KEY="ab" * 32)

    assert shown.returncode == 1
    assert shown.stderr.strip() == (
        f"What {request_id} asked and got cannot be read: it was encrypted with another key than the one that is set now."
    )


def test_token_that_is_switched_off_keeps_no_more(relay: Gateway, standin: StandIn) -> None:
    token = relay.add_token(log_bodies=True)
    standin.answer = whole(MARK)
    wait_for_bodies(relay, call(relay, token))
    with closing(sqlite3.connect(relay.database_path)) as connection:
        connection.execute("UPDATE tokens SET log_bodies = 0")
        connection.execute("UPDATE revisions SET number = number + 1 WHERE subject = 'tokens'")
        connection.commit()
    time.sleep(2.5)  # a change reaches every worker within two

    answer = call(relay, token)
    relay.row_of(answer.headers["x-request-id"])
    later = call(relay, relay.add_token(log_bodies=True))
    wait_for_bodies(relay, later)

    assert answer.headers["x-request-id"] not in kept_of(relay)


def test_operators_own_key_is_used_and_the_rest_is_written_at_the_end(
    provider: StandIn, standin: StandIn, tmp_path: Path
) -> None:
    config = {"openai": {"base_url": f"{provider.base_url}/v1", "supported_models": ["m"], **ONE_ATTEMPT}}
    (tmp_path / "key").write_text("cd" * 32 + "\n")
    with running_gateway(tmp_path / "relay", config, {"BODIES_KEY_FILE": str(tmp_path / "key")}) as relay:
        standin.answer = whole(MARK)
        answer = call(relay, relay.add_token(log_bodies=True))

    shown = show(relay, answer.headers["x-request-id"], "--bodies", BODIES_KEY="CD" * 32)

    assert shown.stdout.count(MARK) == 2
    assert not (relay.data_dir / "bodies.key").exists()
