"""The way to the alert webhook: guarded, opened by WEB_ALLOW, or by the operator's proxy."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.core.errors import InvalidRequest
from app.core.places import read_place
from app.providers.transport import Transport
from app.providers.webhook import webhook_sender
from app.settings import Settings
from app.web.guard import Resolver
from app.webhook_way import UserWebhookWay, WebhookWay
from tests.providers.transport.servers import OK, Peer, always, serve


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.aclose()


async def send(way: WebhookWay, url: str) -> str | None:
    try:
        return await webhook_sender(way.transport, url)(b"{}", {})
    finally:
        await way.aclose()


async def test_private_address_is_refused_with_the_setting_that_opens_it(transport: Transport) -> None:
    async with serve(always(OK)) as server:
        url = f"{server.url}/planted-secret"

        why = await send(WebhookWay(Settings(alert_webhook_url=url), transport), url)

    assert why == "it leads to a loopback address, which WEB_ALLOW can open"
    assert server.connections == 0


@pytest.mark.timeout(20)
async def test_receiver_whose_answer_never_ends_is_given_up(transport: Transport) -> None:
    async def trickle(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
        with contextlib.suppress(OSError):
            while True:
                await peer.send(b"x", pause_s=0.02)

    async with serve(trickle) as server:
        place = read_place(f"127.0.0.1:{server.port}")
        way = WebhookWay(Settings(alert_webhook_url=server.url, web_allow=(place,)), transport)

        why = await webhook_sender(way.transport, server.url, timeout_s=0.5)(b"{}", {})

        await way.aclose()
    assert why == "no answer within 0.5 s"


@pytest.mark.parametrize("opened", ["127.0.0.1", "127.0.0.0/8", "127.0.0.1:PORT"])
async def test_private_address_that_the_operator_opened_is_reached_at_its_port(
    opened: str, transport: Transport
) -> None:
    async with serve(always(OK)) as server:
        place = read_place(opened.replace("PORT", str(server.port)))

        why = await send(WebhookWay(Settings(alert_webhook_url=server.url, web_allow=(place,)), transport), server.url)

    assert why is None


async def test_address_that_the_guard_forbids_is_told_of_at_the_start(
    transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    way = WebhookWay(Settings(alert_webhook_url="http://localhost:9/planted-secret"), transport)

    with caplog.at_level(logging.ERROR), pytest.raises(TimeoutError):
        await asyncio.wait_for(way.check(), 0.5)

    assert "ALERT_WEBHOOK_URL leads to a loopback address" in caplog.text
    assert "WEB_ALLOW" in caplog.text
    assert "planted" not in caplog.text
    await way.aclose()


async def test_public_address_may_have_any_port(monkeypatch: pytest.MonkeyPatch, transport: Transport) -> None:
    async def nowhere(addresses: list[Any]) -> Any:
        dialled.extend(addresses)
        raise OSError("no network here")

    dialled: list[Any] = []
    monkeypatch.setattr("app.web.guard.dial_addresses", nowhere)
    url = "http://93.184.215.14:8443/hook"

    assert await send(WebhookWay(Settings(alert_webhook_url=url), transport), url) == "ConnectError"
    assert [where for _, where in dialled] == [("93.184.215.14", 8443)]


@pytest.mark.parametrize(("no_proxy", "is_proxied"), [("", True), ("hooks.example", False)])
async def test_proxy_of_the_environment_is_used(no_proxy: str, is_proxied: bool, transport: Transport) -> None:
    environ = {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": no_proxy}

    way = WebhookWay(Settings(alert_webhook_url="https://hooks.example/a", environ=environ), transport)

    assert (way.transport is transport) == is_proxied
    await way.aclose()
    with pytest.raises(httpx.TransportError):  # the transport of calls stays open
        await transport.handle_async_request(httpx.Request("GET", "http://127.0.0.1:1/"))


def user_way(*opened: str, **environ: str) -> UserWebhookWay:
    return UserWebhookWay(Settings(web_allow=tuple(read_place(each) for each in opened), environ=environ))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/a",
        "hooks.example/a",
        "https://user@hooks.example/a",
        "https://user:word@hooks.example/a",
        "https://hooks.example/a#part",
        "https://hooks.example/" + "x" * 2000,
        "https://hooks.example:8443/a",
        "https:///a",
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
        "http://LOCALHOST/",
        "http://a.localhost/",
        "https://hooks.example/a b",
        "",
    ],
)
async def test_address_of_a_user_that_cannot_be_meant_is_refused(url: str) -> None:
    way = user_way()

    with pytest.raises(InvalidRequest) as raised:
        way.check(url)

    assert raised.value.param == "forward_url"
    assert "hooks.example" not in raised.value.message
    assert (await way.send(url, b"{}", {})).status is None or len(url) > 2000 or "#" in url
    await way.aclose()


@pytest.mark.parametrize(
    ("url", "opened"),
    [
        ("https://hooks.example/a?key=b", ()),
        ("http://93.184.215.14/a", ()),
        ("https://[2606:4700::1111]/a", ()),
        ("https://hooks.example:443/", ()),
        ("http://10.0.0.7:8080/a", ("10.0.0.0/8", "10.0.0.7:8080")),
        ("http://localhost/a", ("localhost",)),
        ("http://intranet.example:8080/a", ("intranet.example:8080",)),
    ],
)
async def test_address_of_a_user_may_be_public_or_opened(url: str, opened: tuple[str, ...]) -> None:
    way = user_way(*opened)

    way.check(url)

    await way.aclose()


async def test_name_that_leads_to_a_private_address_is_refused_where_the_socket_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def look_up(_self: Resolver, _host: str, _port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.1"]

    monkeypatch.setattr(Resolver, "look_up", look_up)
    way = user_way()

    posted = await way.send("https://hooks.example/a", b"{}", {})

    assert (posted.status, posted.why) == (None, "it leads to a private address, which WEB_ALLOW can open")
    await way.aclose()


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost", "[::1]", "db.intranet"])
async def test_proxy_of_the_environment_is_never_asked_to_find_what_a_user_named(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_up(_self: Resolver, _host: str, _port: int) -> list[str]:
        return ["10.1.2.3"]

    monkeypatch.setattr(Resolver, "look_up", look_up)
    async with serve(always(OK)) as proxy:
        way = user_way(HTTP_PROXY=proxy.url, ALL_PROXY=proxy.url)

        posted = await way.send(f"http://{host}/a", b"{}", {})

        await way.aclose()
    assert posted.status is None
    assert proxy.connections == 0
