"""Applications that are built when they are first asked: what they import would slow every start down."""

import asyncio
from collections.abc import Callable
from typing import Any


class Later:
    """An ASGI application that `build` makes. A thread does, so that calls do not wait for it."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._app: Any = None
        self._building = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection's scope."""
        if self._app is None:
            async with self._building:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._build)
        await self._app(scope, receive, send)

    def get(self) -> Any:
        """The application itself."""
        if self._app is None:
            self._app = self._build()
        return self._app
