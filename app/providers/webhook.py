"""Sends the operator's messages to an address of the operator's."""

from collections.abc import Awaitable, Callable, Mapping

import httpx

from app import __version__
from app.providers.http1.dial import Refused

SendMessage = Callable[[bytes, Mapping[str, str]], Awaitable[str | None]]
"""Posts a body of JSON with these headers; why it did not arrive, or None where it did. It never tells the address."""

_TIMEOUT_S = 15.0  # as Standard Webhooks advises: 15 to 30 seconds
_LIMITS = {"pool": _TIMEOUT_S, "connect": _TIMEOUT_S, "write": _TIMEOUT_S, "first_byte": _TIMEOUT_S, "read": _TIMEOUT_S}


def webhook_sender(transport: httpx.AsyncBaseTransport, url: str) -> SendMessage:
    """Gives the function that posts to `url`."""

    async def send(body: bytes, headers: Mapping[str, str]) -> str | None:
        told = {"content-type": "application/json", "user-agent": f"LLM-Relay/{__version__}", **headers}
        request = httpx.Request("POST", url, headers=told, content=body, extensions={"timeout": _LIMITS})
        try:
            response = await transport.handle_async_request(request)
        except Refused as exc:
            return f"it {exc.why}, which WEB_ALLOW can open"
        except httpx.TransportError as exc:
            return type(exc).__name__  # its words may have the address
        await response.aclose()
        return None if response.is_success else f"status {response.status_code}"

    return send
