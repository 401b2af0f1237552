"""The feed of live calls: what it says, and that it ends with the session of who listens."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from fastapi import FastAPI, Request

from app.api.admin.live import live_router
from app.core.errors import AuthenticationFailed
from app.live.snapshot import Snapshot, TargetHealth


class EndlessCalls:
    """Tells the same for ever, but the third time."""

    async def follow(self) -> AsyncGenerator[Snapshot, None]:
        number = 0
        while True:
            number += 1
            health = TargetHealth("openai", "gpt-5", 1, "closed", number == 3, 0, 0, None, 0.0)
            yield Snapshot(0, [], [health])


async def test_feed_tells_what_changed_until_the_session_is_over() -> None:
    asked: list[Request] = []

    async def authorise(request: Request) -> Any:
        asked.append(request)
        if len(asked) > 1:
            raise AuthenticationFailed("This session is over: log in again.")

    calls: Any = EndlessCalls()
    app = FastAPI()
    app.include_router(live_router(authorise, calls))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        response = await client.get("/admin/api/live/stream")

    events = response.text.strip().split("\n\n")
    told = [json.loads(event.removeprefix("data: ")) for event in events if event.startswith("data: ")]
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert [event["targets"][0]["calls"] for event in told] == [0, 1, 0]
    assert (len(asked), len(events)) == (2, 4)
