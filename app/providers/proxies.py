"""The way through a proxy, for the hosts that are to go there by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from app.providers.http1.incoming import Malformed, framing_of


@dataclass(frozen=True, slots=True)
class Proxies:
    """`by_scheme` holds the proxy's URL for "http" and "https"; `direct` the hosts that are reached without one.

    An entry of `direct` is as curl takes them: a host, which stands for its subdomains too, with or without a leading
    dot or a port; an address; a block of addresses ("10.0.0.0/8"); or "*".
    """

    by_scheme: Mapping[str, str]
    direct: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_scheme)

    def url_for(self, scheme: str, host: str, port: int) -> str | None:
        """The URL of the proxy for one place, None where it is to be reached directly."""
        if any(_names(entry, host.lower(), port) for entry in self.direct):
            return None
        return self.by_scheme.get(scheme)


def read_proxies(environ: Mapping[str, str]) -> Proxies:
    """Read the usual variables, of which the lower-case spelling counts where both are set."""
    everything = _setting(environ, "all_proxy")
    by_scheme = {}
    for scheme in ("http", "https"):
        if url := _setting(environ, f"{scheme}_proxy") or everything:
            by_scheme[scheme] = url if "://" in url else f"http://{url}"
    direct = (entry.strip().lower() for entry in _setting(environ, "no_proxy").split(","))
    return Proxies(by_scheme, tuple(entry for entry in direct if entry))


class MaybeProxied(httpx.AsyncBaseTransport):
    """Sends each request directly or through httpx's own transport to a proxy, as `proxies` says."""

    def __init__(
        self, direct: httpx.AsyncBaseTransport, proxies: Proxies, context: ssl.SSLContext, limits: httpx.Limits
    ) -> None:
        self._direct = direct
        self._proxies = proxies
        self._by_proxy = {
            url: httpx.AsyncHTTPTransport(proxy=url, verify=context, limits=limits)
            for url in set(proxies.by_scheme.values())
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As `Transport` does, but a proxied response has no `remote`, and its limit `first_byte` also counts for `read`.

        Raises:
            httpx.TransportError: as `Transport`, and `httpx.ProxyError` where the proxy refuses.
        """
        url = request.url
        proxy = self._proxies.url_for(url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        if proxy is None:
            return await self._direct.handle_async_request(request)
        limits = request.extensions.get("timeout") or {}
        if "first_byte" in limits:  # httpx has one limit for both: the longer one must do
            waits = (limits["first_byte"], limits.get("read"))
            read = None if None in waits else max(waits)
            request.extensions = {**request.extensions, "timeout": {**limits, "read": read}}
        response = await self._by_proxy[proxy].handle_async_request(request)
        try:
            headers = [(name.lower(), value) for name, value in response.headers.raw]
            wants_body = request.method != "HEAD"
            response.extensions["framing"] = framing_of(response.status_code, headers) if wants_body else "none"
        except Malformed as exc:
            await response.aclose()
            raise httpx.RemoteProtocolError(f"{url.host} sent {exc}") from exc
        return response

    async def aclose(self) -> None:
        """Close all connections, direct and to proxies."""
        await self._direct.aclose()
        for transport in self._by_proxy.values():
            await transport.aclose()


def _setting(environ: Mapping[str, str], name: str) -> str:
    return environ[name] if name in environ else environ.get(name.upper(), "")


def _names(entry: str, host: str, port: int) -> bool:
    if entry in ("*", host):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # the one or the other is a name
        pass
    name, colon, only_port = entry.rpartition(":")
    if colon and only_port.isdigit():
        return port == int(only_port) and _names(name, host, port)
    return f".{host}".endswith("." + entry.removeprefix("*").removeprefix("."))
