"""Calls of a user of their own, as they come: one that goes well, a stream, one that fails, and one with a helper."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.chat import HELLO, stream, whole
from tests.e2e.gateway import Gateway
from tests.e2e.standin import Answer, Exchange, StandIn

ROUTED = "calls-router"
HOSTILE = "<script>alert('\"hi\"')</script>"


@dataclass(frozen=True)
class Calls:
    """Request ids of one user's calls, and the token that they were made with."""

    user: str
    token: str
    plain: str
    streamed: str
    failed: str
    routed: str


def make_calls(gateway: Gateway, provider: StandIn, user: str) -> Calls:
    """Make them, and wait for their rows; what they asked and got is kept."""
    token = gateway.add_token(user, log_bodies=True, tags=(f"{user}-tag",))
    _put_router(gateway)
    provider.answer = _answer
    ids = [
        ask(gateway, token, "openai/gpt-test-large", user=HOSTILE),
        ask(gateway, token, "openai/gpt-test-large", stream=True),
        ask(gateway, token, "openai/gpt-test-small"),
        ask(gateway, token, ROUTED),
    ]
    for request_id in ids:
        gateway.row_of(request_id)
    return Calls(user, token, *ids)


def ask(gateway: Gateway, token: str, model: str, **fields: Any) -> str:
    """Make one call; its id."""
    response = httpx.post(
        f"{gateway.base_url}/v1/chat/completions",
        json={"model": model, "messages": HELLO, **fields},
        headers={"authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=20,
    )
    return response.headers["x-request-id"]


def _answer(exchange: Exchange) -> Answer:
    if exchange.json["model"] == "gpt-test-small":
        return Answer.json({"error": {"message": "It is on fire.", "type": "server_error"}}, 500)
    return stream({"content": "Hi there"}) if exchange.json.get("stream") else whole("gpt-test-large")


def _put_router(gateway: Gateway) -> None:
    """Whatever its designator says, it leads to a model that answers."""
    router = {
        "name": ROUTED,
        "candidates": [{"model": "openai/gpt-test-large"}, {"model": "openai/embedding-test"}],
        "designator_model": "openai/gpt-test-tiny",
        "fallback_model": "openai/gpt-test-large",
        "purpose": "The larger one.",
    }
    headers = {"authorization": f"Bearer {gateway.add_token('calls-root', admin=True)}"}
    response = httpx.post(
        f"{gateway.base_url}/admin/api/routers", json=router, headers=headers, trust_env=False, timeout=20
    )
    assert response.status_code in (201, 409), response.text
