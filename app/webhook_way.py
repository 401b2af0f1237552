"""The ways to webhooks: guarded where we choose the address, by the proxy where the environment names one."""

import asyncio
import logging
from collections.abc import Mapping

import httpx

from app.core.errors import InvalidRequest
from app.providers.http1.dial import Refused
from app.providers.proxies import read_proxies
from app.providers.transport import Transport
from app.providers.webhook import Posted, post_message
from app.settings import Settings
from app.web.guard import Guard
from app.web.url import read_url

log = logging.getLogger(__name__)

MOST_URL_CHARACTERS = 2000
_AT_ONCE = 8
_IDLE_S = 5.0


class WebhookWay:
    """Where the alerts go.

    The operator wrote the address, with its port; what the guard adds is that a public name does not lead into the
    private network one day. A private address has to be opened by WEB_ALLOW, as for all that goes through the guard. Where
    a proxy is between, it is the proxy that chooses the address, as for calls to providers.

    Attributes:
        transport: to be used for this address only.

    Args:
        transport: that of calls to providers; it is not closed.
    """

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport) -> None:
        url = httpx.URL(settings.alert_webhook_url or "")
        self._host, self._port = url.raw_host.decode(), _port(url)
        self._own: Transport | None = None
        self._guard = Guard(settings.web_allow, any_port=True)
        if not _is_proxied(settings, url):
            self._own = _guarded(settings, self._guard)
        self.transport = self._own or transport

    async def check(self) -> None:
        """Tell the operator at the start where the guard forbids the address; then do nothing, as long as the gateway runs."""
        if self._own is not None:
            try:
                await self._guard.addresses(self._host, self._port)
            except Refused as exc:
                log.error(  # without the address: many are secrets
                    "ALERT_WEBHOOK_URL %s: no alert is sent there, unless WEB_ALLOW names its host or address", exc.why
                )
            except (OSError, ValueError):
                pass  # it is told when there is something to send
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        """Close the connections that are its own."""
        if self._own is not None:
            await self._own.aclose()


class UserWebhookWay:
    """Where users have the updates of their monitors sent: they choose the addresses, so only the usual ports are open.

    It goes past a proxy of the environment, as pages of augmentors do: a proxy would resolve the names, and nobody would look
    where they lead.
    """

    def __init__(self, settings: Settings) -> None:
        self._guard = Guard(settings.web_allow)
        self._own = _guarded(settings, self._guard)

    def check(self, url: str) -> None:
        """Refuse an address that nothing is to be sent to, as far as that can be told by looking at it.

        Raises:
            InvalidRequest: with words for its user.
        """
        if len(url) > MOST_URL_CHARACTERS or "#" in url:
            words = f"The forward_url must have {MOST_URL_CHARACTERS} characters at most, and no fragment."
            raise InvalidRequest(words, param="forward_url")
        try:
            self._read(url)
        except Refused as exc:
            raise InvalidRequest(f"The forward_url {exc.why}.", param="forward_url") from None

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Post a body of JSON to `url`, in 15 s at most."""
        try:
            address = self._read(url)
        except Refused as exc:
            return Posted(None, f"it {exc.why}")
        return await post_message(self._own, str(address), body, headers)

    async def aclose(self) -> None:
        """Close the connections that are its own."""
        await self._own.aclose()

    def _read(self, url: str) -> httpx.URL:
        address = read_url(url)
        self._guard.check(address.raw_host.decode(), _port(address))
        return address


def _guarded(settings: Settings, guard: Guard) -> Transport:
    ca_file = str(settings.ca_file) if settings.ca_file else None
    return Transport(ca_file=ca_file, max_connections=_AT_ONCE, max_idle=1, idle_s=_IDLE_S, dial=guard.dial)


def _is_proxied(settings: Settings, url: httpx.URL) -> bool:
    return read_proxies(settings.environ).url_for(url.scheme, url.host, _port(url)) is not None


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
