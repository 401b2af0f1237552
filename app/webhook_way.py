"""The way to the operator's webhook: guarded where we choose the address, by the proxy where the environment names one."""

import asyncio
import logging

import httpx

from app.providers.http1.dial import Refused
from app.providers.proxies import read_proxies
from app.providers.transport import Transport
from app.settings import Settings
from app.web.guard import Guard

log = logging.getLogger(__name__)


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
        self._host, self._port = url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80)
        self._own: Transport | None = None
        self._guard = Guard(settings.web_allow, any_port=True)
        if read_proxies(settings.environ).url_for(url.scheme, url.host, self._port) is None:
            ca_file = str(settings.ca_file) if settings.ca_file else None
            self._own = Transport(ca_file=ca_file, max_connections=2, max_idle=1, dial=self._guard.dial)
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
