"""What comes back from a provider: a status, headers, and a body that is read as it comes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import httpx

from app.providers.http1.incoming import Framing
from app.providers.http1.outgoing import Headers

Limits = Mapping[str, float | None]


class Post(Protocol):
    """Sends bodies to the one address that it was made for."""

    async def __call__(self, body: bytes, further: Headers = ()) -> "Answer":
        """Send `body` with `further` headers, and return when the head of the answer is here.

        Raises:
            httpx.TransportError: it did not come.
        """


@dataclass(slots=True)
class Answer:
    """An answer whose head is here. Whoever gets one calls `body.aclose`.

    Attributes:
        headers: by their lower-case names; of several with one name, the last.
        framing: how the end of the body is known; None where the transport does not tell.
    """

    status: int
    headers: Mapping[bytes, bytes]
    framing: Framing | None
    body: httpx.AsyncByteStream

    @classmethod
    def of(cls, response: httpx.Response) -> "Answer":
        """The same as httpx has it, its body not yet read."""
        return cls(
            response.status_code,
            {name.lower(): value for name, value in response.headers.raw},
            response.extensions.get("framing"),
            cast(httpx.AsyncByteStream, response.stream),
        )

    def text(self, header: bytes) -> str:
        """A header by its lower-case name; empty where it is not there."""
        return self.headers.get(header, b"").decode("latin-1")

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, decompressed where it has to be; read once.

        Raises:
            httpx.TransportError: it was cut.
            httpx.DecodingError: it cannot be decompressed.
        """
        encoding = self.headers.get(b"content-encoding")
        if encoding is None:
            return self.body.__aiter__()
        return httpx.Response(self.status, headers=[(b"content-encoding", encoding)], stream=self.body).aiter_bytes()


def post_by(transport: httpx.AsyncBaseTransport, url: httpx.URL, headers: Headers, limits: Limits) -> Post:
    """The way to post to `url` by any of httpx's transports."""

    async def post(body: bytes, further: Headers = ()) -> Answer:
        request = httpx.Request(
            "POST",
            url,
            headers=[*headers, *further, (b"Content-Length", b"%d" % len(body))],
            stream=httpx.ByteStream(body),
            extensions={"timeout": limits},
        )
        return Answer.of(await transport.handle_async_request(request))

    return post
