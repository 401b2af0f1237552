"""Sends the operator's messages to an address of the operator's."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import httpx

from app import __version__
from app.providers.http1.dial import Refused

SendMessage = Callable[[bytes, Mapping[str, str]], Awaitable[str | None]]
"""Posts a body of JSON with these headers; why it did not arrive, or None where it did. It never tells the address."""

TIMEOUT_S = 15.0  # as Standard Webhooks advises: 15 to 30 seconds


def webhook_sender(transport: httpx.AsyncBaseTransport, url: str, timeout_s: float = TIMEOUT_S) -> SendMessage:
    """Gives the function that posts to `url`, and waits no longer than `timeout_s` for all of it: a receiver that sends its
    headers byte by byte would have all later messages wait for ever."""
    limits = dict.fromkeys(("pool", "connect", "write", "first_byte", "read"), timeout_s)

    async def send(body: bytes, headers: Mapping[str, str]) -> str | None:
        told = {"content-type": "application/json", "user-agent": f"LLM-Relay/{__version__}", **headers}
        request = httpx.Request("POST", url, headers=told, content=body, extensions={"timeout": limits})
        try:
            async with asyncio.timeout(timeout_s):
                response = await transport.handle_async_request(request)
                await response.aclose()
        except TimeoutError:
            return f"no answer within {timeout_s:g} s"
        except Refused as exc:
            return f"it {exc.why}, which WEB_ALLOW can open"
        except httpx.TransportError as exc:
            return type(exc).__name__  # its words may have the address
        return None if response.is_success else f"status {response.status_code}"

    return send
