"""What remains of calls when the gateway has stopped: one row for each, and nothing that was secret or said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.auth.tokens import mint
from tests.e2e.chat import HELLO, chunk, failure, whole, words
from tests.e2e.conftest import MODEL, PROVIDER_KEYS, UNREACHABLE, providers_at
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, StandIn

PROMPT, REPLY = "a prompt of 7f3a91", "a reply of 7f3a91"
MARK = b"7f3a91"


class Caller:
    """Calls a gateway with one token, and remembers what each call was and the id it got."""

    def __init__(self, gateway: Gateway, client: httpx.Client, token: str) -> None:
        self._gateway = gateway
        self._client = client
        self._headers = {"authorization": f"Bearer {token}"}
        self.ids: dict[str, str] = {}

    def call(self, what: str, *, read: int | None = None, **fields: Any) -> None:
        """One call, named `what`; of its reply no more than `read` pieces are read before the connection is closed."""
        body = {"model": MODEL, "messages": HELLO, **fields}
        url = f"{self._gateway.base_url}/v1/chat/completions"
        with self._client.stream("POST", url, json=body, headers=self._headers) as response:
            pieces = response.iter_raw()
            while read != 0 and next(pieces, None) is not None:
                read = None if read is None else read - 1
        self.ids[response.headers["x-request-id"]] = what


@pytest.fixture
def gateway_apart(provider: StandIn, tmp_path: Path) -> Iterator[Gateway]:
    """One that a test may stop, and that tells its log all it ever tells."""
    running = Gateway(tmp_path, providers_at(provider), {**PROVIDER_KEYS, "LOG_LEVEL": "DEBUG"})
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


def test_each_admitted_call_has_left_exactly_one_row_and_others_none(
    gateway_apart: Gateway, standin: StandIn, client: httpx.Client
) -> None:
    caller = Caller(gateway_apart, client, gateway_apart.add_token(models=[f"openai/{MODEL}", f"{UNREACHABLE}/*"]))
    stranger = Caller(gateway_apart, client, mint())
    spent = Caller(gateway_apart, client, gateway_apart.add_token(rate_limit=0))

    standin.answer = whole()
    caller.call("200 ok", stream=False)
    caller.call("404 error", model="no-such-model")
    caller.call("403 error", model="demo")
    caller.call("502 error", model=f"{UNREACHABLE}/any")
    standin.answer = words("Hi")
    caller.call("200 ok", stream=True)
    standin.answer = failure(503, "Overloaded")
    caller.call("503 error", stream=True)
    standin.answer = Answer.events(chunk({"content": "Hi"}), done=False, hold=True)
    caller.call("200 client_gone", stream=True, read=1)
    standin.answer = Answer.events(chunk({"role": "assistant", "content": "Hi"}), done=False, reset=True)
    caller.call("200 cut", stream=True)
    standin.answer = Answer.events(chunk({"content": "Hi"}), {"error": {"message": "Stopped"}}, done=False)
    caller.call("200 error", stream=True)
    caller.call("malformed", messages=[])
    stranger.call("not authenticated")
    spent.call("used up")

    gateway_apart.stop()
    left = {row["id"]: f"{row['status']} {row['outcome']}" for row in gateway_apart.rows()}
    assert left == {call_id: what for call_id, what in caller.ids.items() if what != "malformed"}


def test_no_token_no_key_and_nothing_that_was_said_is_kept(
    gateway_apart: Gateway, standin: StandIn, client: httpx.Client
) -> None:
    token, unknown, key = gateway_apart.add_token(), mint(), PROVIDER_KEYS["SAMBANOVA_API_KEY"]
    caller, stranger = Caller(gateway_apart, client, token), Caller(gateway_apart, client, unknown)
    said: Any = [{"role": "user", "content": PROMPT}]

    standin.answer = whole(REPLY)
    caller.call("whole", messages=said)
    caller.call("malformed", messages=said, stream=PROMPT)
    stranger.call("not authenticated", messages=said)
    standin.answer = words(REPLY)
    caller.call("stream", messages=said, stream=True)
    standin.answer = Answer.events(chunk({"content": REPLY}), done=False, hold=True)
    caller.call("gone", messages=said, stream=True, read=1)
    standin.answer = failure(401, f"Incorrect API key provided: {key}")
    caller.call("refused", messages=said, model="sambanova/m")
    standin.answer = Answer(pieces=[REPLY.encode()])
    caller.call("no JSON", messages=said)
    standin.answer = Answer.events(chunk({"content": REPLY}), done=False, reset=True)
    caller.call("cut", messages=said, stream=True)

    gateway_apart.stop()
    kept = {path.name: path.read_bytes() for path in gateway_apart.folder.rglob("*") if path.is_file()}
    assert {"relay.db", "relay.log", "output.txt"} <= kept.keys()
    assert all(call_id.encode() in kept["relay.log"] for call_id in caller.ids)
    for secret in (token.encode(), token[-43:].encode(), unknown.encode(), key.encode(), MARK):
        assert [name for name, content in kept.items() if secret in content] == []
