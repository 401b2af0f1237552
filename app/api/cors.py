"""Which web pages may call the gateway from a browser: CORS, by the Fetch standard."""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware

from app.api.front import Asgi

# All there are: scripts send no cookies along, which alone makes the asterisk less than it says. By name for older browsers.
_EXPOSED = (
    "*",
    "retry-after",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-relay-attempts",
    "x-relay-augmented",
    "x-relay-cost",
    "x-relay-provider",
    "x-relay-sources",
    "x-relay-usage",
    "x-relay-warnings",
    "x-request-id",
)


def open_to(origins: Sequence[str], app: Asgi) -> Asgi:
    """`app` for web pages of these origins too; `*` is all. Cookies are never asked for: calls have their token."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("*",),  # each SDK has headers of its own, and they change
        expose_headers=_EXPOSED,
        allow_private_network=True,
    )
