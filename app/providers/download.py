"""Fetches a file from an address that an administrator gave."""

from collections.abc import Callable

import httpx

_TIMEOUT_S = 30.0

Advance = Callable[[int], None]
"""Is told how many bytes came."""


class Unfetchable(ValueError):
    """It cannot be had; the message is a sentence."""


async def download(
    transport: httpx.AsyncBaseTransport, url: str, max_bytes: int, advance: Advance = lambda _: None
) -> bytes:
    """What is at `url`, redirections followed.

    Raises:
        Unfetchable: nobody answers there, or with an error, or with more than `max_bytes`.
    """
    body = bytearray()
    client = httpx.AsyncClient(transport=Borrowed(transport), follow_redirects=True, timeout=_TIMEOUT_S)
    try:
        async with client, client.stream("GET", url) as response:
            response.raise_for_status()
            async for data in response.aiter_bytes():
                advance(len(data))
                body += data
                if len(body) > max_bytes:
                    raise Unfetchable(f"{url} is longer than {max_bytes} bytes: it is no such file.")
    except httpx.HTTPStatusError as exc:
        raise Unfetchable(f"{url} answers with status {exc.response.status_code}.") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unfetchable(f"{url} cannot be fetched: {type(exc).__name__}.") from exc
    return bytes(body)


class Borrowed(httpx.AsyncBaseTransport):
    """A transport of somebody else's, which the end of a client leaves open."""

    def __init__(self, owned: httpx.AsyncBaseTransport) -> None:
        self._owned = owned

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._owned.handle_async_request(request)
