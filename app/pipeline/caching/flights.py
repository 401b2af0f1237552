"""The same asked at the same time is asked once: the others wait for the answer of the first."""

import asyncio

from app.core.events import Completion


class Flights:
    """Questions that are being asked, by their digest."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Completion | None]] = {}

    async def join(self, key: str) -> Completion | None:
        """The answer that another call is waiting for; None where there is none: the caller asks, and has to `land`."""
        while (flight := self._waiting.get(key)) is not None:
            completion = await asyncio.shield(flight)
            if completion is not None:
                return completion
        self._waiting[key] = asyncio.get_running_loop().create_future()
        return None

    def land(self, key: str, completion: Completion | None) -> None:
        """Give the answer to all who wait; None where there is none to share, and the next of them asks."""
        flight = self._waiting.pop(key, None)
        if flight is not None and not flight.done():
            flight.set_result(completion)
