"""The gateway with a stream of event groups at /feed/USERNAME, which goes on until the gateway begins to stop."""

import contextlib
from typing import Any

from app.background import BEGIN_STOP, running
from app.main import create_app
from app.monitors.feed import EventFeed
from app.monitors.messages import OPENING
from app.settings import load_settings
from app.store.db import open_database


def create() -> Any:
    """The application."""
    gateway = create_app()
    feed = EventFeed(open_database(load_settings().database_url))

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"][BEGIN_STOP] = feed.close
            async with running(feed.run):
                await gateway(scope, receive, send)
        elif scope["path"].startswith("/feed/"):
            await serve(scope["path"].removeprefix("/feed/"), send)
        else:
            await gateway(scope, receive, send)

    async def serve(username: str, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": OPENING, "more_body": True})
        async with contextlib.aclosing(await feed.stream(username)) as stream:
            async for piece in stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app
