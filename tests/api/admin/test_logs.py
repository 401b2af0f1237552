"""The stream of the log: it ends with the session of who listens."""

import logging
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from app.api.admin import logs
from app.api.admin.logs import logs_router
from app.core.errors import AuthenticationFailed
from app.recent_lines import RecentLines


async def test_stream_of_a_busy_log_ends_with_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_CHECK_S", 0.0)
    recent, asked = RecentLines(), list[Request]()
    recent.emit(logging.makeLogRecord({"msg": "told to nobody who is not logged in", "levelno": logging.INFO}))

    async def authorise(request: Request) -> Any:
        asked.append(request)
        if len(asked) > 1:
            raise AuthenticationFailed("This session is over: log in again.")

    app = FastAPI()
    app.include_router(logs_router(authorise, recent))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        response = await client.get("/admin/api/logs/stream", timeout=20)

    assert (response.status_code, response.text, len(asked)) == (200, "", 2)
