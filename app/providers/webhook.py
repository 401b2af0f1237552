"""Sends messages to webhooks: to the operator's, and to those of users."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import httpx

from app import __version__
from app.core.frozen import frozen
from app.providers.http1.dial import Refused

SendMessage = Callable[[bytes, Mapping[str, str]], Awaitable[str | None]]
"""Posts a body of JSON with these headers; why it did not arrive, or None where it did. It never tells the address."""

TIMEOUT_S = 15.0  # as Standard Webhooks advises: 15 to 30 seconds


@frozen
class Posted:
    """What came of a message.

    Attributes:
        status: that the receiver answered; None where it did not.
        why: it did not arrive, in words that never tell the address; None where it did.
    """

    status: int | None
    why: str | None


async def post_message(
    transport: httpx.AsyncBaseTransport,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout_s: float = TIMEOUT_S,
) -> Posted:
    """Post a body of JSON to `url`, and wait no longer than `timeout_s` for all of it: a receiver that sends its headers byte
    by byte would have all later messages wait for ever. No redirect is followed, and what it says beside the status not read."""
    limits = dict.fromkeys(("pool", "connect", "write", "first_byte", "read"), timeout_s)
    told = {"content-type": "application/json", "user-agent": f"LLM-Relay/{__version__}", **headers}
    request = httpx.Request("POST", url, headers=told, content=body, extensions={"timeout": limits})
    try:
        async with asyncio.timeout(timeout_s):
            response = await transport.handle_async_request(request)
            await response.aclose()
    except TimeoutError:
        return Posted(None, f"no answer within {timeout_s:g} s")
    except Refused as exc:
        return Posted(None, f"it {exc.why}, which WEB_ALLOW can open")
    except httpx.TransportError as exc:
        return Posted(None, type(exc).__name__)  # its words may have the address
    return Posted(response.status_code, None if response.is_success else f"status {response.status_code}")


def webhook_sender(transport: httpx.AsyncBaseTransport, url: str, timeout_s: float = TIMEOUT_S) -> SendMessage:
    """Gives the function that posts to `url`, as `post_message` does."""

    async def send(body: bytes, headers: Mapping[str, str]) -> str | None:
        return (await post_message(transport, url, body, headers, timeout_s)).why

    return send
