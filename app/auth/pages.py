"""Which web pages may make calls without a token: a browser sends what any page wants, so that the address alone says nothing."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from app.core.errors import PermissionDenied

# Names that no public DNS gives (RFC 6761, 6762, 8375; ICANN's resolution 2024.07.29.06).
_LOCAL = (".localhost", ".local", ".home.arpa", ".internal")


class Pages:
    """Those of `origins`, as in CORS_ORIGINS, and those of the gateway's own host."""

    def __init__(self, origins: Sequence[str] = ()) -> None:
        self._origins = frozenset(origins)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Let a request of a page that may pass, and all that are no page's.

        Browsers tell a page's origin with each POST (https://fetch.spec.whatwg.org/#append-a-request-origin-header).

        Raises:
            PermissionDenied: another page's.
        """
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        if not origin or not self._origins.isdisjoint((origin, "*")):
            return
        if not _is_own(origin, headers.get(b"host", b"").decode("latin-1").lower()):
            raise PermissionDenied(
                f"Web pages of {origin!r} may not make calls without a token. Send one, or add the origin to CORS_ORIGINS.",
                code="origin_not_allowed",
            )


def _is_own(origin: str, host: str) -> bool:
    """Whether the page came from where it calls.

    A public name proves nothing: its owner can point it at this machine once the page is loaded (DNS rebinding).
    """
    return bool(host) and origin in (f"http://{host}", f"https://{host}") and _is_local(_without_port(host))


def _is_local(name: str) -> bool:
    """Whether it is an address, or a name that nobody outside can give."""
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_LOCAL)
    return True


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
